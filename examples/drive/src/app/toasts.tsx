import { X } from 'lucide-react'
import {
  Text,
  UNSTABLE_Toast as Toast,
  UNSTABLE_ToastContent as ToastContent,
  UNSTABLE_ToastQueue as ToastQueue,
  UNSTABLE_ToastRegion as ToastRegion,
} from 'react-aria-components'
import { describeFailure } from '../device/failure.js'
import { Button, classes, IconButton } from './controls.js'
import styles from './toasts.module.css'

interface Message {
  text: string
  detail?: string
  tone: 'plain' | 'bad'
  action?: { label: string; run: () => void }
}

/** Long enough to read, and to reach the button by keyboard. */
const PLAIN_MS = 8_000

const queue = new ToastQueue<Message>({ maxVisibleToasts: 3 })

export function say(text: string, action?: Message['action']): void {
  queue.add({ text, tone: 'plain', ...(action && { action }) }, { timeout: PLAIN_MS })
}

/** Errors stay until they are closed. */
export function sayFailed(what: string, error: unknown): void {
  const { code, message, hint } = describeFailure(error)
  queue.add({ text: `${what}: ${message}`, detail: `${hint} (${code})`, tone: 'bad' })
}

export function Toasts() {
  return (
    <ToastRegion queue={queue} aria-label="Messages" className={styles.region}>
      {({ toast }) => (
        <Toast toast={toast} className={classes(styles.toast, styles[toast.content.tone])}>
          <ToastContent className={styles.content}>
            <Text slot="title" className={styles.title}>
              {toast.content.text}
            </Text>
            {toast.content.detail !== undefined && <Text slot="description">{toast.content.detail}</Text>}
          </ToastContent>
          {toast.content.action !== undefined && (
            <Button
              look="quiet"
              className={styles.action}
              onPress={() => {
                toast.content.action?.run()
                queue.close(toast.key)
              }}
            >
              {toast.content.action.label}
            </Button>
          )}
          <IconButton label="Close message" className={styles.close} onPress={() => queue.close(toast.key)}>
            <X size={16} aria-hidden />
          </IconButton>
        </Toast>
      )}
    </ToastRegion>
  )
}
