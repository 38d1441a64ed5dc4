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

/** What carries the messages of a channel: a `BroadcastChannel` that exactly two use, or an end of a `MessageChannel`. */
export type MessageCarrier = Pick<MessagePort, 'postMessage' | 'close'> & {
  onmessage: ((event: MessageEvent) => void) | null
  onmessageerror: ((event: MessageEvent) => void) | null
}

/** A channel by name: it reaches pages, workers and service workers alike, and nobody has to hand ports around. */
export function openChannel(name: string): Channel {
  return channelOver(new BroadcastChannel(name))
}

/** A carrier does not say that the other side has gone: Web Locks do, see `dial.ts` and `accept.ts`. */
export function channelOver(carrier: MessageCarrier): Channel {
  const closing = new AbortController()
  const listeners = new Set<(message: unknown) => void>()
  const close = (reason = new PeerfoldError('CLOSED', 'the connection to the device was closed')) => {
    if (closing.signal.aborted) return
    listeners.clear()
    carrier.close()
    closing.abort(reason)
  }
  carrier.onmessage = ({ data }) => {
    for (const listener of [...listeners]) listener(data)
  }
  carrier.onmessageerror = () =>
    close(
      new PeerfoldError('MESSAGE_INVALID', 'a message could not be read: the other side is of another kind'),
    )
  return {
    post: (message) => {
      // A message to nobody is as good as one that was lost with the other side.
      if (!closing.signal.aborted) carrier.postMessage(message)
    },
    onMessage: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    closed: closing.signal,
    close,
  }
}
