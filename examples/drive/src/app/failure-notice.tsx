import { TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import type { Failure } from '../device/failure.js'
import styles from './notice.module.css'

/** What went wrong, what one can do, and the code to search or report. */
export function FailureNotice({ failure, children }: { failure: Failure; children?: ReactNode }) {
  return (
    <div role="alert" className={styles.failure}>
      <TriangleAlert size={18} aria-hidden />
      <div className={styles.text}>
        <p className={styles.message}>{sentence(failure.message)}</p>
        <p>{failure.hint}</p>
        <p className={styles.code}>{failure.code}</p>
        {children}
      </div>
    </div>
  )
}

function sentence(message: string): string {
  const first = message.slice(0, 1).toUpperCase() + message.slice(1)
  return /[.!?…]$/.test(first) ? first : `${first}.`
}
