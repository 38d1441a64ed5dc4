import { PeerfoldError } from '@peerfold/core'
import type { BlocksRequest, FetchBlocks } from '@peerfold/core/platform'

/** What else than blocks comes with status 200 is from a portal or a proxy. */
const BLOCKS = 'application/vnd.peerfold.blocks'

/**
 * Blocks of a relay by `fetch` (PROTOCOL.md §10.8), for `PeerfoldComponents.fetchBlocks`: the browser's own TLS and HTTP, instead of noise in
 * JavaScript over a WebSocket. A page served by HTTPS reaches relays by HTTPS only, and those on `localhost`.
 *
 * @example
 * ```ts
 * await createPeerfold({ ...components, fetchBlocks })
 * ```
 */
export const fetchBlocks: FetchBlocks = async (request, { signal }) => {
  const response = await post(request, signal)
  const { status, body } = response
  if (status === 200 && body !== null && response.headers.get('content-type') === BLOCKS)
    return readBody(body, request.url, signal)
  // The connection can be used again only when nobody waits for the rest.
  await body?.cancel().catch(() => {})
  if (status === 401 || status === 403)
    throw new PeerfoldError('UNAUTHORIZED', `${request.url} does not take the token any more`)
  if (status === 429 || status === 503)
    throw new PeerfoldError('BUSY', `${request.url} answered ${status}`, {
      details: { retryAfter: retryAfter(response) },
    })
  throw new PeerfoldError('DIAL_FAILED', `${request.url} answered ${status}, and no blocks`)
}

async function post(
  { url, token, handle, cids }: BlocksRequest,
  signal: AbortSignal | undefined,
): Promise<Response> {
  try {
    return await fetch(new URL(`/v1/blocks/${handle}`, url), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ cids }),
      // Blocks are kept in the block store; the token goes nowhere else.
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
      signal,
    })
  } catch (cause) {
    throw failed(url, cause, signal)
  }
}

async function* readBody(
  body: ReadableStream<Uint8Array>,
  url: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } catch (cause) {
    throw failed(url, cause, signal)
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/** Why browsers do not get through they do not say: nobody there, a certificate, mixed content. */
function failed(url: string, cause: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason
  return new PeerfoldError('DIAL_FAILED', `${url} does not answer`, { cause })
}

/** Milliseconds; undefined when the relay does not say. */
function retryAfter({ headers }: Response): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  return seconds >= 0 ? seconds * 1000 : undefined
}
