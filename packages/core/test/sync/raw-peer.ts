import * as lengthPrefixed from 'it-length-prefixed'
import type { Network, NetworkStream, PeerId } from '../../src/ports/network.js'
import { decodeMessage, encodeMessage, type Message, type MessageOf } from '../../src/sync/messages.js'
import { SYNC_PROTOCOL } from '../../src/sync/sync.js'
import { USER } from './world.js'

/** A peer that says whatever a test wants, on a stream of the sync protocol. */
export interface RawPeer {
  stream: NetworkStream
  /** What the other side said. */
  heard: Message[]
  /** Set when the stream ended, with the error if it was reset. */
  ended: { error: Error | undefined } | undefined
  send(message: Message): Promise<void>
  frame(bytes: Uint8Array): Promise<void>
}

export function hello(fields: Partial<MessageOf<'hello'>> = {}): MessageOf<'hello'> {
  const entries = [Uint8Array.of(1)]
  return {
    type: 'hello',
    versions: [1],
    user: USER,
    entries,
    boot: '00'.repeat(16),
    ended: 0,
    time: 0,
    lossy: false,
    ...fields,
  }
}

export async function rawPeer(network: Network, to: PeerId): Promise<RawPeer> {
  return listen(await network.open(to, SYNC_PROTOCOL))
}

/** An admitted peer that has shaken hands and then does as the test says. */
export async function rawSession(
  network: Network,
  to: PeerId,
  reach: (raw: RawPeer) => Promise<void>,
): Promise<RawPeer> {
  const raw = await rawPeer(network, to)
  await raw.send(hello())
  await reach(raw)
  await raw.send({ type: 'ready' })
  return raw
}

function listen(stream: NetworkStream): RawPeer {
  const raw: RawPeer = {
    stream,
    heard: [],
    ended: undefined,
    send: (message) => raw.frame(encodeMessage(message)),
    frame: (bytes) => stream.send(lengthPrefixed.encode.single(bytes)),
  }
  const read = async () => {
    for await (const frame of lengthPrefixed.decode(stream.source))
      raw.heard.push(decodeMessage(frame.subarray()))
  }
  read().then(
    () => {
      raw.ended = { error: undefined }
    },
    (error) => {
      raw.ended = { error }
    },
  )
  return raw
}
