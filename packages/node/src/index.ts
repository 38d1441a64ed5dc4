export * from '@peerfold/core'
export { type OpenPeerfoldOptions, openPeerfold } from './open-peerfold.js'
