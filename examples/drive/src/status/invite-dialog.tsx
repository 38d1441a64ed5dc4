import type { DeviceListing, Invite } from '@peerfold/core'
import { Check, CircleCheck, Copy } from 'lucide-react'
import { toString as drawQrCode } from 'qrcode'
import { useEffect, useState } from 'react'
import { Button } from '../app/controls.js'
import { Dialog } from '../app/dialog.js'
import { EmptyState, Waiting } from '../app/empty-state.js'
import { FailureNotice } from '../app/failure-notice.js'
import { joinLink } from '../app/route.js'
import { useCopy } from '../app/use-copy.js'
import { usePeerfold } from '../device/context.js'
import { useTask } from '../device/use-task.js'
import styles from './invite-dialog.module.css'

/** An invitation for one more device: to scan, to open as a link, or to paste. It ends with the dialog. */
export default function InviteDialog({ onClose }: { onClose: () => void }) {
  const peerfold = usePeerfold()
  const [invite, setInvite] = useState<Invite>()
  const [joined, setJoined] = useState<DeviceListing>()
  const task = useTask(async (signal) => {
    await using made = await peerfold.devices.invite({ signal })
    setInvite(made)
    setJoined(await made.accepted({ signal }))
  })
  const { run } = task
  useEffect(() => void run(), [run])
  return (
    <Dialog title="Invite a device" onClose={onClose}>
      {joined !== undefined && (
        <EmptyState
          icon={<CircleCheck size={44} strokeWidth={1.4} aria-hidden />}
          title={`“${joined.name}” has joined`}
          actions={
            <Button look="primary" onPress={onClose}>
              Done
            </Button>
          }
        >
          <p>Your files appear there now.</p>
        </EmptyState>
      )}
      {joined === undefined && task.failure !== undefined && (
        <>
          <FailureNotice failure={task.failure} />
          <Button onPress={() => void run()}>Make a new invitation</Button>
        </>
      )}
      {joined === undefined &&
        task.running &&
        (invite === undefined ? <Waiting>Making an invitation…</Waiting> : <Invitation invite={invite} />)}
    </Dialog>
  )
}

function Invitation({ invite }: { invite: Invite }) {
  const link = joinLink(globalThis.location.href, invite.ticket)
  const code = useQrCode(link)
  return (
    <>
      {code !== undefined && (
        <img src={code} alt="QR code of the link" className={styles.code} width={280} height={280} />
      )}
      <p className={styles.lead}>Scan it with a phone, or open the link in another browser:</p>
      <Line text={link} what="link" />
      <p className={styles.lead}>In the app or on a command line, paste the ticket:</p>
      <Line text={invite.ticket} what="ticket" />
      <Waiting>
        Waiting for the other device. The invitation works once, until{' '}
        {invite.expires.toLocaleTimeString(undefined, { timeStyle: 'short' })}.
      </Waiting>
    </>
  )
}

function Line({ text, what }: { text: string; what: string }) {
  const { copied, copy } = useCopy()
  return (
    <div className={styles.line}>
      <code data-testid={`invite-${what}`}>{text}</code>
      <Button onPress={() => copy(text)} aria-label={`Copy the ${what}`}>
        {copied ? <Check size={15} aria-hidden /> : <Copy size={15} aria-hidden />}
        {copied ? 'Copied' : 'Copy'}
      </Button>
    </div>
  )
}

/** As an image of black on white: cameras read no other. */
function useQrCode(text: string): string | undefined {
  const [code, setCode] = useState<string>()
  useEffect(() => {
    let shown = true
    void drawQrCode(text, { type: 'svg', margin: 2, errorCorrectionLevel: 'L' }).then((svg) => {
      if (shown) setCode(`data:image/svg+xml,${encodeURIComponent(svg)}`)
    })
    return () => {
      shown = false
    }
  }, [text])
  return code
}
