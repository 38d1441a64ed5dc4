/**
 * Runs `task` on items as they come, at most `limit` at once, and yields the results in order. When one fails, or the consumer stops,
 * the others are aborted and awaited: nothing goes on behind the caller's back.
 */
export async function* mapOrdered<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  limit: number,
  task: (item: T, signal: AbortSignal) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<R, void, undefined> {
  const stop = new AbortController()
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const running: Promise<R>[] = []
  try {
    for await (const item of items) {
      signal?.throwIfAborted()
      running.push(started(task(item, both)))
      if (running.length >= limit) yield await (running.shift() as Promise<R>)
    }
    for (let next = running.shift(); next !== undefined; next = running.shift()) yield await next
  } finally {
    stop.abort(new Error('stopped'))
    await Promise.allSettled(running)
  }
}

/** Keeps a failure that is looked at later from counting as unhandled meanwhile. */
function started<R>(promise: Promise<R>): Promise<R> {
  promise.catch(() => {})
  return promise
}
