import { expect } from 'vitest'
import { createFakeWorkspace, type FakeWorkspace } from '../../src/testing/fake-workspace.js'
import { createSeededRandom, type SeededRandom } from '../../src/testing/seeded-random.js'
import { diskAsText } from './harness.js'
import { MortalDevice } from './mortal.js'
import { DiskPerson, Ledger, Others } from './people.js'
import { type RandomDisk, randomDisk } from './random-disk.js'
import { Shuffler } from './shuffler.js'
import { judge } from './verdict.js'

const ROUNDS = 200

/** A device, its disk, and everybody who works on either side. */
export class World {
  readonly random: SeededRandom
  readonly made: RandomDisk
  readonly workspace: FakeWorkspace = createFakeWorkspace()
  readonly ledger = new Ledger()
  readonly device: MortalDevice
  readonly person: DiskPerson
  readonly others: Others
  #working: Array<Promise<void>> = []

  constructor(
    seed: number,
    private readonly working: 'everybody' | 'person' | 'others' = 'everybody',
  ) {
    this.random = createSeededRandom(seed)
    this.made = randomDisk(this.random.fork('disk'))
    const { disk, kind } = this.made
    this.device = new MortalDevice(this.made, this.workspace, this.random.fork('device'))
    this.person = new DiskPerson(disk, this.random.fork('person'), this.ledger, kind)
    this.others = new Others(this.workspace, this.random.fork('others'), this.ledger, kind)
    this.person.avoid = this.device.windows.isOpen
  }

  async act(times: number): Promise<void> {
    for (let n = 0; n < times; n++)
      if (this.working === 'person' || (this.working === 'everybody' && this.random.float() < 0.5))
        this.person.act()
      else await this.others.act()
  }

  settle(how?: 'finally'): Promise<void> {
    return this.device.settle(ROUNDS, how)
  }

  /** Rounds in which calls fail, people go on working and the process may be killed; then everybody ends what they began. */
  async storm(rounds: number, onRound: () => Promise<unknown> = () => this.device.round()): Promise<void> {
    const { random } = this
    const busy = random.pick([0, 0, 0.02, 0.1])
    const mortal = random.float() < 0.4 && this.working !== 'person'
    this.device.weather = {
      failing: random.pick([0, 0, 0.01, 0.1]),
      lifetime: mortal ? 1 + random.integer(300) : Number.POSITIVE_INFINITY,
      before: () => this.#work(busy),
    }
    for (let n = 0; n < rounds; n++) await onRound()
    await Promise.all(this.#working)
    this.device.calm()
    this.person.leave()
  }

  #work(busy: number): void {
    if (this.working !== 'others' && this.random.float() < busy) this.person.step()
    if (this.working !== 'person' && this.random.float() < busy / 4) this.#working.push(this.others.act())
  }

  judge(): Promise<void> {
    return judge(this.device, this.made, this.workspace, this.ledger, ROUNDS)
  }
}

/**
 * Three trees that have much in common: what was synced, and the disk and the workspace, in each of which most has been put elsewhere. Plans are
 * carried out in any order, some actions not at all, some twice; calls fail, the process is killed.
 */
export async function survivesShuffling(seed: number): Promise<void> {
  const world = new World(seed)
  const { random, device, person, others } = world
  await world.act(4 + random.integer(16))
  await world.settle()
  const share = random.pick([0.2, 0.5, 1])
  person.scramble(share)
  await others.scramble(share)
  await world.act(random.integer(8))
  const shuffler = new Shuffler(random)
  await world.storm(random.integer(8), () => device.round((plan) => shuffler.shuffle(plan)))
  if (random.float() < 0.3) for (let n = 0; n < 4; n++) await device.round((plan) => shuffler.repeat(plan))
  await world.settle('finally')
  await world.judge()
}

/** Some work, then more in all weathers; then all must end well. */
export async function converges(seed: number): Promise<void> {
  const world = new World(seed)
  const { random } = world
  await world.act(8)
  await world.settle()
  await world.act(random.integer(12))
  if (random.float() < 0.7) await world.storm(1 + random.integer(8))
  await world.settle('finally')
  await world.judge()
}

/** Where nobody else works, a device only listens: each file stays where it was put, as it was left. */
export async function leavesAlone(seed: number): Promise<void> {
  const world = new World(seed, 'person')
  const { random, device } = world
  await world.act(8)
  if (random.float() < 0.5) await world.settle()
  for (let n = random.integer(8); n >= 0; n--) {
    await world.act(random.integer(3))
    await world.storm(random.integer(3))
  }
  const left = diskAsText(device.disk)
  await world.settle('finally')
  expect(diskAsText(device.disk), 'the disk was changed').toEqual(left)
  await world.judge()
}

/** A device on whose disk nobody works says nothing: whatever fails, and however often it is killed, what it did itself is no change of a person. */
export async function publishesNothing(seed: number): Promise<void> {
  const world = new World(seed, 'others')
  const { random, device } = world
  for (let n = random.integer(8); n >= 0; n--) {
    await world.act(random.integer(8))
    await world.storm(random.integer(4))
  }
  await world.settle('finally')
  expect(device.published, 'something was published').toBe(0)
  await world.judge()
}
