import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { toUtf8 } from '../encoding/bytes.js'

const HOUR_MS = 3_600_000

/**
 * Where devices of a workspace look for each other on one day: HMAC-SHA-256(discovery key, UTC date `YYYY-MM-DD`), PROTOCOL.md §6.8. Who
 * lacks the discovery key can link neither two days nor a key and its workspace.
 */
export function rendezvousKey(discoveryKey: Uint8Array, time: number): Uint8Array {
  return hmac(sha256, discoveryKey, toUtf8(new Date(time).toISOString().slice(0, 10)))
}

/** The keys to use at a time: around midnight those of both days, since clocks differ. */
export function rendezvousKeys(discoveryKey: Uint8Array, time: number): Uint8Array[] {
  const days = new Map<string, number>()
  for (const at of [time, time - HOUR_MS, time + HOUR_MS])
    days.set(new Date(at).toISOString().slice(0, 10), at)
  return [...days.values()].map((at) => rendezvousKey(discoveryKey, at))
}
