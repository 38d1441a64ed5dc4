/** Block exchange, for those who compose a device, for benchmarks and for tests of platforms. */
export { createExchange, type ExchangeInit } from './exchange.js'
export { DEFAULT_LIMITS, type ExchangeLimits, MAX_BLOCK } from './limits.js'
export type { Exchange, FetchOptions } from './types.js'
