import type { AbortOptions, ProgressOptions } from '@peerfold/core'
import { Credit } from '../credit.js'
import { sendPieces } from './bodies.js'
import type { Link, Request } from './link.js'
import { isLost, type LinkSource } from './link-source.js'

export interface CallOptions extends ProgressOptions {
  /** Makes the call again when the connection went: only for what may happen twice. @default false */
  repeat?: boolean
  /** A body that the device pulls. */
  pieces?: AsyncIterable<Uint8Array>
}

/**
 * Calls a method of the device.
 *
 * @throws {PeerfoldError} what the method throws; `NOT_CONNECTED` when the connection went meanwhile, and nobody knows whether the call had its
 *   effect; the signal's reason
 */
export async function call<T>(source: LinkSource, request: Request, options: CallOptions = {}): Promise<T> {
  const { signal, repeat = false } = options
  for (;;) {
    signal?.throwIfAborted()
    const link = await source.current({ signal })
    try {
      return (await callOver(link, request, options)) as T
    } catch (error) {
      if (!repeat || !isLost(link, error)) throw error
    }
  }
}

async function callOver(
  link: Link,
  request: Request,
  { signal, onProgress, pieces }: CallOptions,
): Promise<unknown> {
  const wanted = new Credit(0)
  const ended = new AbortController()
  let abort: (() => void) | undefined
  try {
    return await new Promise((resolve, reject) => {
      const exchange = link.open(request, {
        onDone: resolve,
        onFail: reject,
        onWant: (amount) => wanted.add(amount),
        onNote: ({ progress }) => {
          if (progress !== undefined) onProgress?.(progress)
        },
      })
      abort = () => {
        exchange.abort(true)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', abort, { once: true })
      if (pieces === undefined) return
      sendPieces(pieces, exchange, wanted, ended.signal).catch((error: unknown) => {
        if (ended.signal.aborted) return
        // The caller's own error, not a copy of it that went around.
        exchange.abort(true)
        reject(error)
      })
    })
  } finally {
    ended.abort()
    if (abort !== undefined) signal?.removeEventListener('abort', abort)
  }
}

/** A signal that aborts with either. */
export function either(signal: AbortSignal, options: AbortOptions | undefined): Required<AbortOptions> {
  return { signal: options?.signal === undefined ? signal : AbortSignal.any([signal, options.signal]) }
}
