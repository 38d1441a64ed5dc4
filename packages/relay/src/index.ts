export type { Relay, RelayStatus } from './types.js'
