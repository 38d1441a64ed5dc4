export { DEFAULT_RELAY_LIMITS, type RelayLimits } from './limits/defaults.js'
export { createRelay } from './relay.js'
export type { Relay, RelayInit, RelayLog, RelayStatus } from './types.js'
