import type { DemoDevice } from './device.js'
import { isType } from './device.js'

/** Makes `first` a device with a new identity and `second` one of the same user, each with its folder, both running. */
export async function bringUpPair(first: DemoDevice, second: DemoDevice): Promise<void> {
  await Promise.all([first.prepare(), second.prepare()])
  const { ticket } = await first.start(
    ['up', first.folder, '--name', first.name],
    (line) => typeof line.ticket === 'string',
  )
  await first.waitForLine(isType('ready'))
  await second.run('join', String(ticket), '--folder', second.folder, '--name', second.name)
  await startAgain(second)
}

export async function startAgain(device: DemoDevice): Promise<void> {
  await device.start(['start'], isType('ready'))
  await device.waitForLine(
    (line) => line.type === 'peer' && (line.peer as { connected?: boolean }).connected === true,
  )
}
