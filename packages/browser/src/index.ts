export { openBlockStore } from './stores/block-store.js'
export { openKeyValue } from './stores/key-value.js'
export { openLogStore } from './stores/log-store.js'
export type { OpenLevelInit } from './stores/open-level.js'
