import type { AbstractLevel } from 'abstract-level'

/** One change of a batch. */
export type KeyValueOperation = { type: 'put'; key: string; value: Uint8Array } | { type: 'del'; key: string }

/**
 * The key-value port is a part of abstract-level's own API, with UTF-8 keys and `Uint8Array` ("view") values. It holds what can be rebuilt from
 * the log (the index), and never the only copy of anything.
 */
export type KeyValue = Pick<
  AbstractLevel<any, string, Uint8Array>,
  'get' | 'getMany' | 'has' | 'put' | 'del' | 'iterator' | 'keys' | 'values' | 'clear' | 'open' | 'close'
> & {
  /** All or nothing. */
  batch(operations: KeyValueOperation[]): Promise<void>
}
