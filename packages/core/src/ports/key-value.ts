import type { AbstractLevel } from 'abstract-level'

/**
 * The key-value port is abstract-level's own API with UTF-8 keys and `Uint8Array` ("view") values. It holds what can be
 * rebuilt from the log (the index), and never the only copy of anything.
 */
export type KeyValue = AbstractLevel<any, string, Uint8Array>
