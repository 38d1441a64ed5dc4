/** Names that platform packages (`node`, `browser`, `relay`) build on. Apps use `@peerfold/core`. */
export * from './system-clock.js'
export * from './system-random.js'
