import { PeerfoldError } from '@peerfold/core'
import type { PollRelay } from '@peerfold/core/platform'

/** Beyond what the relay was asked to wait, for the way there and back. */
const SPARE_MS = 15_000

/** Long polls of a relay over its HTTP side (PROTOCOL.md §10.8). */
export const pollRelay: PollRelay = async ({ url, token, mailboxes, timeoutMs }, { signal }) => {
  const late = AbortSignal.timeout(timeoutMs + SPARE_MS)
  let response: Response
  try {
    response = await fetch(new URL('/v1/poll', url), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ mailboxes, timeoutMs }),
      signal: signal === undefined ? late : AbortSignal.any([signal, late]),
    })
    await response.arrayBuffer()
  } catch (cause) {
    signal?.throwIfAborted()
    throw new PeerfoldError('DIAL_FAILED', `${url} does not answer`, { cause })
  }
  if (response.status === 200) return 'changed'
  if (response.status === 204) return 'quiet'
  if (response.status === 401 || response.status === 403)
    throw new PeerfoldError('UNAUTHORIZED', `${url} does not take the token any more`)
  throw new PeerfoldError('BUSY', `${url} answered ${response.status}`)
}
