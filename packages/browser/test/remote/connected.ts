import type { Peerfold, Workspace } from '@peerfold/core'
import { createTestPeers, type TestPeers } from '@peerfold/core/testing'
import type { RemotePeerfold } from '../../src/remote/client/remote-peerfold.js'
import { createPeerfoldServer } from '../../src/remote/server/serve.js'
import { acceptClients } from '../../src/tabs/accept.js'
import type { Channel } from '../../src/tabs/channel.js'
import { dialDevice } from '../../src/tabs/dial.js'
import { freshName } from '../stores/fresh-name.js'
import { connectPeerfold } from './connect.js'

/** A device and clients of it, in one page: what lies between them is real. */
export interface Connected extends AsyncDisposable {
  home: string
  peers: TestPeers
  device: Peerfold
  client: RemotePeerfold
  /** One more connection, for messages by hand. */
  dial(): Promise<Channel>
  connect(): Promise<RemotePeerfold>
  /** Ends the device for its clients. */
  stop(): void
}

/** @param count devices that are paired; clients use the first. Without any, the device has no identity yet. */
export async function connected(count = 1): Promise<Connected> {
  const home = freshName()
  const peers = await createTestPeers(count)
  const device = peers.devices[0] ?? (await peers.add())
  const server = createPeerfoldServer(device)
  const acceptor = await acceptClients({ home, token: 1, onClient: (channel) => server.serve(channel) })
  const dial = async () => (await dialDevice(home, { signal: AbortSignal.timeout(10_000) })).channel
  const connect = async () => await connectPeerfold(await dial())
  const client = await connect()
  return {
    home,
    peers,
    device,
    client,
    dial,
    connect,
    stop: () => acceptor.close(),
    [Symbol.asyncDispose]: async () => {
      await client.close()
      acceptor.close()
      server.close()
      await peers[Symbol.asyncDispose]()
    },
  }
}

export interface ConnectedWorkspace extends Connected {
  /** As the client sees it. */
  notes: Workspace
  /** As the device sees it. */
  original: Workspace
}

export async function connectedWorkspace(count = 1): Promise<ConnectedWorkspace> {
  const all = await connected(count)
  const notes = await all.client.workspaces.create('notes')
  return { ...all, notes, original: await all.device.workspaces.open(notes.id) }
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Resolves when a condition holds that some event brings about. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
}

export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536))
  return bytes
}

/** Much faster for large arrays than the equality of the test runner. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
