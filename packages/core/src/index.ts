export type * from './api.js'
export * from './errors.js'
export type * from './ports/index.js'
export type * from './workspace/types.js'
