import { type AbortOptions, type CommitInfo, PeerfoldError, type Writer } from '@peerfold/core'
import { raceSignal } from '@peerfold/core/async'
import { either } from './call.js'
import type { Exchange, Link } from './link.js'
import { pinned } from './link-source.js'
import type { Place } from './reading.js'
import { RemoteWriter } from './remote-writer.js'

/** What the device says of a transaction. */
interface Transaction {
  exchange: Exchange
  /** Its number, once it has begun: others may have to end first. */
  begun: Promise<number>
  /** Rejects also while it is under way: the device gave it up. */
  ended: Promise<CommitInfo | undefined>
}

/**
 * Runs `change` here, inside a transaction there. Nothing is kept unless the device says that it was.
 *
 * @throws {PeerfoldError} what `change` throws; `NOT_CONNECTED`; the signal's reason
 */
export async function transactRemotely<T>(
  { source, target, closed }: Place,
  change: (tx: Writer) => Promise<T>,
  options?: AbortOptions,
): Promise<{ value: T; commit: CommitInfo | undefined }> {
  const { signal } = either(closed, options)
  signal.throwIfAborted()
  const link = await source.current({ signal })
  const { exchange, begun, ended } = begin(link, target.workspace)
  const over = new AbortController()
  try {
    const tx = await raceSignal(Promise.race([begun, ended.then(endedEarly)]), signal)
    const writer = new RemoteWriter({ source: pinned(link), target: { tx }, closed: over.signal })
    const value = await raceSignal(Promise.race([change(writer), ended.then(endedEarly)]), signal)
    exchange.inputEnd()
    return { value, commit: await raceSignal(ended, signal) }
  } catch (error) {
    exchange.abort()
    // Until the device has let go of it: what the caller does next must not find it under way.
    await raceSignal(ended, link.lost).catch(() => {})
    throw error
  } finally {
    over.abort(new PeerfoldError('CLOSED', 'the transaction has ended'))
  }
}

function begin(link: Link, workspace: string | undefined): Transaction {
  let resolveBegun = (_: number) => {}
  const begun = new Promise<number>((resolve) => {
    resolveBegun = resolve
  })
  let exchange: Exchange | undefined
  const ended = new Promise<CommitInfo | undefined>((resolve, reject) => {
    exchange = link.open(
      { method: 'transact', target: { workspace } },
      {
        onNote: ({ tx }) => {
          if (tx !== undefined) resolveBegun(tx)
        },
        onDone: (commit) => resolve(commit as CommitInfo | undefined),
        onFail: reject,
      },
    )
  })
  ended.catch(() => {})
  // Without an exchange `ended` has rejected: all that is done with it then is to take it back.
  return { exchange: exchange ?? NONE, begun, ended }
}

const NONE: Exchange = { credit: () => {}, input: () => {}, inputEnd: () => {}, abort: () => {} }

function endedEarly(): never {
  throw new PeerfoldError('INTERNAL', 'the device ended a transaction that nobody had ended')
}
