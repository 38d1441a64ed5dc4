import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type OpenPeerfoldOptions, openPeerfold, type Peerfold } from '@peerfold/node'
import type { Fixture } from './fixture.js'

const DEADLINE = 30_000

export interface PairedDevices {
  /** Opens a device, new or closed before. */
  open(name: string, options?: Partial<OpenPeerfoldOptions>): Promise<Peerfold>
  device(name: string): Peerfold
  phrase: string
  address: string
}

/** Devices of one user as apps open them, that use a relay. */
export async function pairedDevices(
  fixture: Fixture,
  address: string,
  names: readonly string[],
  options: Partial<OpenPeerfoldOptions> = {},
): Promise<PairedDevices> {
  const directory = await fixture.directory()
  const opened = new Map<string, Peerfold>()
  const open = async (name: string, more: Partial<OpenPeerfoldOptions> = {}): Promise<Peerfold> => {
    const home = join(directory, name)
    await mkdir(home, { recursive: true })
    const listen = ['/ip4/127.0.0.1/tcp/0']
    const device = await openPeerfold({ home, name, listen, mdns: false, ...options, ...more })
    opened.set(name, device)
    return device
  }
  fixture.cleanUp(async () => {
    for (const device of opened.values()) await device.close()
  })
  const [first, ...others] = names as [string, ...string[]]
  const inviter = await open(first)
  const { phrase } = await inviter.identity.create()
  await inviter.relays.add(address)
  for (const name of others) {
    await using invite = await inviter.devices.invite()
    await (await open(name)).devices.join(invite.ticket)
  }
  return { open, phrase, address, device: (name) => opened.get(name) as Peerfold }
}

export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const until = performance.now() + DEADLINE
  while (!(await holds())) {
    if (performance.now() > until) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export async function textOf(device: Peerfold, workspace: string, path: string): Promise<string | undefined> {
  try {
    return await (await device.workspaces.open(workspace)).read(path).text()
  } catch {
    return undefined
  }
}

export const within = () => ({ signal: AbortSignal.timeout(DEADLINE) })
