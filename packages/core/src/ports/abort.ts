/** Options that every asynchronous call takes last. An aborted call rejects with the signal's reason. */
export interface AbortOptions {
  signal?: AbortSignal
}
