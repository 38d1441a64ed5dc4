import { randomBytes } from 'node:crypto'
import type { Network } from '@peerfold/core'
import { systemClock, systemRandom } from '@peerfold/core/platform'
import * as lengthPrefixed from 'it-length-prefixed'
import { createDeviceRequest } from '../../../core/src/access/device-request.js'
import { createDeviceSecrets } from '../../../core/src/access/device-secrets.js'
import { encodeEntry } from '../../../core/src/access/identity-entry.js'
import {
  addDevice,
  createGenesis,
  emptyIdentity,
  mergeIdentity,
} from '../../../core/src/access/identity-log.js'
import { createPhrase, rootSecrets } from '../../../core/src/access/phrase.js'
import type { DeviceSecrets } from '../../../core/src/access/types.js'
import { encodeMessage, type MessageOf } from '../../../core/src/sync/messages.js'
import { createLibp2pNetwork } from '../../src/net/create-libp2p-network.js'
import { createNodeCrypto } from '../../src/workers/node-crypto.js'

const crypto = createNodeCrypto()
const DIAL_TRIES = 20
/** Between two tries, milliseconds: a device that has just been called often refuses for up to a second. */
const DIAL_PAUSE = 200

/** Somebody with a libp2p node and keys of its own, who found a device's address. */
export class Stranger {
  readonly secrets: DeviceSecrets
  readonly network: Network
  readonly #addresses: readonly string[]

  private constructor(secrets: DeviceSecrets, network: Network, addresses: readonly string[]) {
    this.secrets = secrets
    this.network = network
    this.#addresses = addresses
  }

  static async arrive(
    addresses: readonly string[],
    secrets = createDeviceSecrets(systemRandom),
  ): Promise<Stranger> {
    const network = await createLibp2pNetwork({
      peerSeed: secrets.peerSeed,
      listen: [],
      mdns: false,
      dht: false,
    })
    return new Stranger(secrets, network, addresses)
  }

  /** Sends bytes on a new stream, ends its side, and gives all that comes back. */
  async say(protocol: string, frames: Iterable<Uint8Array>): Promise<Buffer> {
    const { peer } = await this.#dial()
    const stream = await this.#open(peer, protocol).catch(() => undefined)
    // Not being listened to at all is one of the right answers.
    if (stream === undefined) return Buffer.alloc(0)
    const heard: Uint8Array[] = []
    const listening = (async () => {
      for await (const piece of stream.source) heard.push(piece.subarray().slice())
    })().catch(() => {})
    try {
      for (const frame of frames) await stream.send(frame, { signal: AbortSignal.timeout(10_000) })
      await stream.close({ signal: AbortSignal.timeout(10_000) })
    } catch {
      // So is being cut off in mid-sentence.
    }
    const late = setTimeout(() => stream.abort(new Error('no answer in time')), 12_000)
    await listening
    clearTimeout(late)
    stream.abort(new Error('done'))
    return Buffer.concat(heard)
  }

  async open(protocol: string) {
    const { peer } = await this.#dial()
    return await this.#open(peer, protocol)
  }

  async close(): Promise<void> {
    await this.network.close()
  }

  #open(peer: string, protocol: string) {
    return this.network.open(peer, protocol, { signal: AbortSignal.timeout(10_000) })
  }

  /** A device admits few connections a second from one machine. */
  async #dial() {
    for (let tries = 1; ; tries++) {
      try {
        return await this.network.dial({ addresses: this.#addresses })
      } catch (error) {
        if (tries === DIAL_TRIES) throw error
        await systemClock.sleep(DIAL_PAUSE)
      }
    }
  }
}

export function hello(user: string, entries: Uint8Array[]): Uint8Array {
  const boot = randomBytes(16).toString('hex')
  const message: MessageOf<'hello'> = {
    type: 'hello',
    versions: [1],
    user,
    entries,
    boot,
    ended: 0,
    time: Date.now(),
    lossy: false,
  }
  return lengthPrefixed.encode.single(encodeMessage(message)).subarray()
}

/** A sound identity of somebody else, with these keys as its device. */
export async function ownIdentity(secrets: DeviceSecrets): Promise<{ user: string; entries: Uint8Array[] }> {
  const root = rootSecrets(createPhrase(systemRandom))
  const genesis = await createGenesis(crypto, root)
  const { identity } = await mergeIdentity(crypto, emptyIdentity(genesis.user), [genesis.bytes])
  const request = await requestFor(secrets, genesis.user)
  const change = { crypto, identity, seed: root.rootSeed, time: systemClock.now() }
  return { user: genesis.user, entries: [genesis.bytes, await addDevice(change, request)] }
}

/** Entries that say these keys are devices of that user, signed by keys that may not say so. */
export async function forgedEntries(
  secrets: DeviceSecrets,
  user: string,
  count: number,
): Promise<Uint8Array[]> {
  const entries: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const request = await requestFor(secrets, user, `device ${i}`)
    const content = { type: 'addDevice', request } as const
    const init = {
      crypto,
      seed: secrets.signingSeed,
      user,
      prevs: [user],
      time: systemClock.now() + i,
      content,
    }
    entries.push(await encodeEntry(init))
  }
  return entries
}

export async function requestFor(
  secrets: DeviceSecrets,
  user: string,
  name = 'desktop',
): Promise<Uint8Array> {
  return await createDeviceRequest({ crypto, secrets, user, name, time: systemClock.now() })
}
