import type { AbortOptions } from '../ports/abort.js'
import type { WorkspaceHandle } from '../ports/ids.js'

/** What is asked of a relay's HTTP side in one request. */
export interface BlocksRequest {
  /** Where it is, such as `https://relay.example`; of it only scheme, host and port count. */
  url: string
  token: string
  handle: WorkspaceHandle
  /** At most 256 (PROTOCOL.md §10.8). None: nothing but whether it would be answered. */
  cids: readonly string[]
}

/**
 * Asks a relay for blocks over HTTP: `POST /v1/blocks/<handle>` (PROTOCOL.md §10.8). Platforms bring it. Resolves when the relay has agreed, with
 * the body as it comes, cut anywhere; what is not read is held back on its way. Nothing in it has been checked.
 *
 * @throws {PeerfoldError} `UNAUTHORIZED` (401, 403); `BUSY` (429, 503), with `details.retryAfter` in milliseconds if the relay said it;
 * `DIAL_FAILED` for every other reason why there is no such body
 */
export type FetchBlocks = (
  request: BlocksRequest,
  options: AbortOptions,
) => Promise<AsyncIterable<Uint8Array>>

/** Where a relay's HTTP side is, and what opens it. */
export interface HttpTicket {
  token: string
  urls: readonly string[]
  /** Wall-clock milliseconds. */
  expires: number
}
