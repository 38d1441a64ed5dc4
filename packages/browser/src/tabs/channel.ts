import { PeerfoldError } from '@peerfold/core'

/** Messages both ways between a client and the device, in order, copied by structured cloning. */
export interface Channel {
  /** @throws {DOMException} `DataCloneError` when the message cannot be copied */
  post(message: unknown): void
  /** Returns the function that ends it. Messages that came without a listener are lost. */
  onMessage(listener: (message: unknown) => void): () => void
  /** Aborts when either side has closed it or is gone; its reason is a `PeerfoldError`. */
  readonly closed: AbortSignal
  /** Idempotent. */
  close(reason?: PeerfoldError): void
}

/**
 * A channel over a `BroadcastChannel` that exactly two use. It reaches pages, workers and service workers alike, and nobody has to hand ports
 * around. It does not say that the other side has gone: Web Locks do, see `dial.ts` and `accept.ts`.
 */
export function openChannel(name: string): Channel {
  const broadcast = new BroadcastChannel(name)
  const closing = new AbortController()
  const listeners = new Set<(message: unknown) => void>()
  const close = (reason = new PeerfoldError('CLOSED', 'the connection to the device was closed')) => {
    if (closing.signal.aborted) return
    listeners.clear()
    broadcast.close()
    closing.abort(reason)
  }
  broadcast.onmessage = ({ data }: MessageEvent) => {
    for (const listener of [...listeners]) listener(data)
  }
  broadcast.onmessageerror = () =>
    close(
      new PeerfoldError('MESSAGE_INVALID', 'a message could not be read: the other side is of another kind'),
    )
  return {
    post: (message) => {
      // A message to nobody is as good as one that was lost with the other side.
      if (!closing.signal.aborted) broadcast.postMessage(message)
    },
    onMessage: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    closed: closing.signal,
    close,
  }
}
