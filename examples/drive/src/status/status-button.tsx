import { Check, CloudOff, RefreshCw, TriangleAlert } from 'lucide-react'
import { Button } from 'react-aria-components'
import { classes } from '../app/controls.js'
import { useStatus } from '../device/context.js'
import { describePeers, type Summary, summariseWorkspace, type Tone } from './describe.js'
import styles from './status.module.css'

export interface StatusButtonProps {
  /** The workspace that is shown. */
  workspace: string | undefined
  /** Without the peers, for phones. */
  compact?: boolean
  onPress: () => void
}

/** In sync or not, how many copies, who is connected: always in sight, and the way to all of it. */
export function StatusButton({ workspace: id, compact = false, onPress }: StatusButtonProps) {
  const status = useStatus()
  const workspace = status.workspaces.find((each) => each.id === id)
  const { tone, headline, detail }: Summary =
    workspace === undefined
      ? { tone: 'warn', headline: 'No workspace', detail: '' }
      : summariseWorkspace(workspace, status.peers)
  const peers = describePeers(status)
  return (
    <Button
      className={classes(styles.button, compact && styles.compact)}
      data-testid="status"
      data-tone={tone}
      onPress={onPress}
    >
      <ToneIcon tone={tone} />
      <span className={styles.lines}>
        <span className={styles.headline}>{headline}</span>
        <span className={styles.detail}>{detail}</span>
        {!compact && <span className={styles.detail}>{peers}</span>}
      </span>
    </Button>
  )
}

const ICONS = { good: Check, busy: RefreshCw, warn: CloudOff, bad: TriangleAlert } as const

export function ToneIcon({ tone }: { tone: Tone }) {
  const Icon = ICONS[tone]
  return (
    <span className={classes(styles.tone, styles[tone])}>
      <Icon size={14} strokeWidth={2.4} aria-hidden />
    </span>
  )
}
