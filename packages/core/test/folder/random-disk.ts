import { type NameRules, nameRules, POSIX_NAMES } from '../../src/folder/names.js'
import type { Clock } from '../../src/ports/clock.js'
import type { DiskNames } from '../../src/testing/fake-disk/volume.js'
import { createFakeDisk, type FakeDisk, type FakeDiskInit } from '../../src/testing/fake-disk.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'

/** A disk of a random kind, with the clock that it and the device share. */
export interface RandomDisk {
  disk: FakeDisk
  clock: SteppingClock
  names: NameRules
  kind: Required<Omit<FakeDiskInit, 'random' | 'now'>>
}

export interface SteppingClock extends Clock {
  advance(ms: number): void
}

/** Time that moves on by `step` milliseconds whenever the monotonic clock is read, and when it is told to. */
export function steppingClock(step: number): SteppingClock {
  let time = 0
  return {
    now: () => 1_700_000_000_000 + time,
    monotonic: () => (time += step),
    sleep: () => new Promise(() => {}),
    advance: (ms) => {
      time += ms
    },
  }
}

/** What a folder finds out of each kind when it is opened. */
const RULES: Record<DiskNames, NameRules> = {
  exact: POSIX_NAMES,
  caseless: nameRules({ caseless: true, formless: false, reserving: false }),
  decomposed: nameRules({ caseless: false, formless: true, reserving: false }),
  'caseless-decomposed': nameRules({ caseless: true, formless: true, reserving: false }),
}

const KINDS: DiskNames[] = ['exact', 'exact', 'exact', 'caseless', 'decomposed', 'caseless-decomposed']

export function randomDisk(random: SeededRandom): RandomDisk {
  const clock = steppingClock(random.pick([5, 100, 1_000]))
  const names = random.pick(KINDS)
  const kind = {
    names,
    grainMs: random.pick([0, 0, 10, 2_000]),
    latency: random.pick([0, 0, 3, 12]),
    reusesInodes: random.float() < 0.4,
    hardLinks: random.float() < 0.7,
    executables: random.float() < 0.7,
    symlinks: random.float() < 0.7,
  }
  const disk = createFakeDisk({ ...kind, random: random.fork('weather'), now: clock.now })
  return { disk, clock, names: RULES[names], kind }
}
