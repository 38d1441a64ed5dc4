import { raceSignal } from '../async/deadline.js'
import type { ByteSource } from './types.js'

/** The pieces of a source. An abort ends the wait for the next piece at once, even when the source hangs. */
export async function* pieces(source: ByteSource, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted()
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  let ended = false
  try {
    while (true) {
      const next = await raceSignal(Promise.resolve(iterator.next()), signal)
      if (next.done) break
      yield next.value
    }
    ended = true
  } finally {
    // Not awaited: a source that hangs in `next` would not answer to `return` either.
    if (!ended) void Promise.resolve(iterator.return?.()).catch(() => {})
  }
}
