import { X } from 'lucide-react'
import type { ReactNode } from 'react'
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components'
import { classes, IconButton } from './controls.js'
import styles from './dialog.module.css'

export interface DialogProps {
  title: string
  onClose: () => void
  /** `side`: a panel at the right edge, full width on phones. @default 'centre' */
  place?: 'centre' | 'side'
  /** Room for two things side by side. */
  wide?: boolean
  role?: 'dialog' | 'alertdialog'
  children: ReactNode
  /** Buttons below. */
  actions?: ReactNode
}

/** A dialog that is open as long as it is rendered. */
export function Dialog({
  title,
  onClose,
  place = 'centre',
  wide = false,
  role = 'dialog',
  children,
  actions,
}: DialogProps) {
  return (
    <ModalOverlay
      className={classes(styles.scrim, styles[place])}
      isOpen
      isDismissable={role === 'dialog'}
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
    >
      <Modal className={classes(styles.modal, styles[place], wide && styles.wide)}>
        <AriaDialog role={role} className={styles.dialog}>
          <header className={styles.header}>
            <Heading slot="title" className={styles.title}>
              {title}
            </Heading>
            <IconButton label="Close" onPress={onClose}>
              <X size={18} aria-hidden />
            </IconButton>
          </header>
          <div className={styles.body}>{children}</div>
          {actions !== undefined && <footer className={styles.actions}>{actions}</footer>}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  )
}
