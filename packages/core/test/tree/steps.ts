import fc from 'fast-check'

export const DEVICES = 3

/** One step of a history. Numbers choose among what is there. */
export interface Step {
  kind:
    | 'file'
    | 'folder'
    | 'edit'
    | 'stale'
    | 'move'
    | 'rename'
    | 'remove'
    | 'reassert'
    | 'cross'
    | 'contest'
    | 'sweep'
    | 'sync'
    | 'group'
    | 'crash'
    | 'restart'
  device: number
  a: number
  b: number
  name: number
  /** Operations of this and the next step go into one transaction. */
  joined: boolean
}

const weights: Array<[Step['kind'], number]> = [
  ['file', 3],
  ['folder', 5],
  ['edit', 4],
  ['stale', 2],
  ['move', 10],
  ['rename', 2],
  ['remove', 4],
  ['reassert', 1],
  ['cross', 3],
  ['contest', 2],
  ['sweep', 3],
  ['sync', 5],
  ['group', 2],
  ['crash', 1],
  ['restart', 1],
]

export const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(...weights.map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind) }))),
  device: fc.nat(DEVICES - 1),
  a: fc.nat(30),
  b: fc.nat(30),
  // Few enough to collide, enough for most moves to find a free name.
  name: fc.nat(5),
  joined: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
})
