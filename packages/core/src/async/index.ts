/** Small tools of waiting, for platform packages. */

export { raceSignal, withDeadline } from './deadline.js'
export { Wakeup } from './wakeup.js'
