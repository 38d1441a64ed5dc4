import type { RelayListing } from '@peerfold/core'
import { Server, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { Form } from 'react-aria-components'
import { Bar, Button, IconButton, TextField } from '../app/controls.js'
import { Waiting } from '../app/empty-state.js'
import { FailureNotice } from '../app/failure-notice.js'
import { formatBytes } from '../app/format.js'
import { sayFailed } from '../app/toasts.js'
import { usePeerfold } from '../device/context.js'
import { useTask } from '../device/use-task.js'
import { PeerText } from './devices.js'
import styles from './panel.module.css'

/** Nodes that are always on and hold what is sealed. */
export function Relays({ relays }: { relays: readonly RelayListing[] }) {
  const peerfold = usePeerfold()
  const remove = (peer: string) =>
    void peerfold.relays
      .remove(peer)
      .catch((error: unknown) => sayFailed('The relay could not be removed', error))
  return (
    <section className={styles.section} aria-labelledby="status-relays">
      <h3 id="status-relays" className={styles.heading}>
        Relays
      </h3>
      {relays.length === 0 && (
        <p className={styles.note}>
          A relay is always on: it keeps what is sealed for devices that are away, and cannot read it.
        </p>
      )}
      <ul className={styles.peers}>
        {relays.map((relay) => (
          <li key={relay.peer} className={styles.peer}>
            <Server size={17} aria-hidden />
            <span className={styles.peerText}>
              <PeerText
                name={hostOf(relay)}
                detail={relay.connected ? 'Connected' : 'Not connected'}
                connected={relay.connected}
              />
              {relay.quota > 0 && (
                <>
                  <span className={styles.peerDetail}>
                    {formatBytes(relay.bytes)} of {formatBytes(relay.quota)} used
                  </span>
                  <Bar label={`Room at ${hostOf(relay)}`} value={Math.min(1, relay.bytes / relay.quota)} />
                </>
              )}
              {relay.error !== undefined && <FailureNotice failure={relay.error} />}
            </span>
            <IconButton label={`Remove relay ${hostOf(relay)}`} onPress={() => remove(relay.peer)}>
              <Trash2 size={15} aria-hidden />
            </IconButton>
          </li>
        ))}
      </ul>
      <AddRelay />
    </section>
  )
}

function AddRelay() {
  const peerfold = usePeerfold()
  const [address, setAddress] = useState('')
  const task = useTask(async (signal) => {
    await peerfold.relays.add(address.trim(), { signal })
    setAddress('')
  })
  return (
    <Form
      className={styles.addRelay}
      onSubmit={(event) => {
        event.preventDefault()
        if (address.trim() !== '') void task.run()
      }}
    >
      <div className={styles.addRow}>
        <TextField
          label="Address of a relay"
          value={address}
          onChange={setAddress}
          mono
          autoComplete="off"
          spellCheck="false"
          placeholder="/dns4/…/p2p/…"
        />
        <Button type="submit" isDisabled={address.trim() === '' || task.running}>
          Add
        </Button>
      </div>
      {task.running && <Waiting onCancel={task.cancel}>Adding the relay…</Waiting>}
      {task.failure !== undefined && <FailureNotice failure={task.failure} />}
    </Form>
  )
}

/** What a person would call it: the host of its first address. */
function hostOf({ addresses, peer }: RelayListing): string {
  const [, , host, , port] = addresses[0]?.split('/') ?? []
  return host === undefined ? peer : [host, port].filter(Boolean).join(':')
}
