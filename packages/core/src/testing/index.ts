export * from './assert.js'
export * from './manual-clock.js'
export type * from './runner.js'
export * from './seeded-random.js'
