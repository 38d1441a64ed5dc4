import type { ReactNode } from 'react'
import { Button, Spinner } from './controls.js'
import styles from './notice.module.css'

export interface EmptyStateProps {
  icon: ReactNode
  title: string
  children?: ReactNode
  actions?: ReactNode
}

export function EmptyState({ icon, title, children, actions }: EmptyStateProps) {
  return (
    <div className={styles.empty}>
      {icon}
      <h2>{title}</h2>
      {children}
      {actions !== undefined && <div className={styles.emptyActions}>{actions}</div>}
    </div>
  )
}

/** What is waited for, and a way out. */
export function Waiting({ children, onCancel }: { children: ReactNode; onCancel?: () => void }) {
  return (
    <div className={styles.waiting} role="status">
      <Spinner />
      <span>{children}</span>
      {onCancel !== undefined && (
        <Button look="quiet" onPress={onCancel}>
          Cancel
        </Button>
      )}
    </div>
  )
}
