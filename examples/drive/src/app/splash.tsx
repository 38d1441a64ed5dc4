import type { ReactNode } from 'react'
import { Logo } from './logo.js'
import styles from './splash.module.css'

/** The whole page while there is nothing else to show. */
export function Splash({ children }: { children?: ReactNode }) {
  return (
    <main className={styles.splash} aria-busy={typeof children === 'string'}>
      <Logo size={44} />
      <h1 className={styles.title}>Peerfold Drive</h1>
      {typeof children === 'string' ? (
        <p className={styles.text} role="status">
          {children}
        </p>
      ) : (
        <div className={styles.content}>{children}</div>
      )}
    </main>
  )
}
