import type { DemoDevice } from './device.js'
import { isType } from './device.js'
import type { DemoRelay } from './relay.js'

/**
 * Makes `first` a device with a new identity and `second` one of the same user, each with its folder, both running and using the relays.
 *
 * @returns the recovery phrase
 */
export async function bringUpPair(
  first: DemoDevice,
  second: DemoDevice,
  relays: readonly DemoRelay[] = [],
): Promise<string> {
  await Promise.all([first, second].map((device) => device.prepare()))
  await Promise.all(relays.map((relay) => relay.start()))
  const [made] = await first.run('init', '--name', first.name)
  for (const { address } of relays) await first.run('relay', 'add', address)
  const { ticket } = await first.start(['up', first.folder], (line) => typeof line.ticket === 'string')
  await first.waitForLine(isType('ready'))
  // The ticket names the relays, too.
  await second.run('join', String(ticket), '--folder', second.folder, '--name', second.name)
  await startAgain(second)
  return String(made?.phrase)
}

/** Resolves when the device is connected with another one, or with the relay. */
export async function startAgain(device: DemoDevice, kind: 'device' | 'relay' = 'device'): Promise<void> {
  await device.start(['start'], isType('ready'))
  await device.waitForLine(({ type, peer }) => {
    const shown = peer as { kind: string; connected: boolean } | undefined
    return type === 'peer' && shown?.kind === kind && shown.connected
  })
}
