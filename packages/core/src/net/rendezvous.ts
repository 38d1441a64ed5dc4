import type { PeerInfo } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { sha256 } from 'multiformats/hashes/sha2'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { PeerId } from '../ports/network.js'
import { fullAddresses } from './addresses.js'

/** Longest that an announcement or a search may take, milliseconds. */
const LONGEST = 30_000

/** The DHT's name for a rendezvous key: a CID whose digest is the key, so that nothing but the key itself leads to it. */
export function rendezvousCid(key: Uint8Array): CID {
  if (key.length !== 32) throw new PeerfoldError('INVALID_ARGUMENT', 'a rendezvous key is 32 bytes')
  return CID.createV1(raw.code, Digest.create(sha256.code, key))
}

/** Tells the DHT that this peer is to be found under `key`. Without other peers in the DHT there is nobody to tell. */
export async function announce(dht: KadDHT, key: Uint8Array, options?: AbortOptions): Promise<void> {
  const signal = limited(options)
  for await (const _ of dht.provide(rendezvousCid(key), { signal }));
}

/** Peers that announced `key`, each once, as they are found. */
export async function* find(
  dht: KadDHT,
  key: Uint8Array,
  options?: AbortOptions,
): AsyncGenerator<{ peer: PeerId; addresses: string[] }> {
  const seen = new Set<PeerId>()
  for await (const event of dht.findProviders(rendezvousCid(key), { signal: limited(options) })) {
    if (event.name !== 'PROVIDER') continue
    for (const found of event.providers.map(describe)) {
      if (seen.has(found.peer) || found.addresses.length === 0) continue
      seen.add(found.peer)
      yield found
    }
  }
}

function describe(info: PeerInfo): { peer: PeerId; addresses: string[] } {
  const peer = info.id.toString()
  return { peer, addresses: fullAddresses(info.multiaddrs, peer) }
}

function limited(options?: AbortOptions): AbortSignal {
  const late = AbortSignal.timeout(LONGEST)
  return options?.signal === undefined ? late : AbortSignal.any([options.signal, late])
}
