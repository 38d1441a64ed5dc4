import { describe, expect, test } from 'vitest'
import { isPeerfoldError } from '../../src/errors.js'
import { createDeterministicCrypto } from '../../src/testing/deterministic-crypto.js'
import { createSeededRandom, type SeededRandom } from '../../src/testing/seeded-random.js'
import { createTestPeers, type TestPeers } from '../../src/testing/test-peers.js'
import type { Workspace, Writer } from '../../src/workspace/types.js'
import { collect, expectConverged, partition, type Replica, versionsOf } from './replicas.js'

/** `PEERFOLD_RUNS=500` for more, `PEERFOLD_SEED` to repeat one. */
const RUNS = Number(process.env.PEERFOLD_RUNS ?? 5)
const FIRST = Number(process.env.PEERFOLD_SEED ?? 1)

const NAMES = ['a', 'b', 'c', 'd.txt', 'e.txt', 'f.txt']
/** What may well happen when a device acts on what another is changing. */
const EXPECTED = new Set([
  'NOT_FOUND',
  'NOT_A_FILE',
  'NOT_A_FOLDER',
  'ALREADY_EXISTS',
  'MOVE_INTO_ITSELF',
  'VERSION_NOT_FOUND',
])

/** Real devices that do random things, together and apart, and a book of everything that was acknowledged. */
class World {
  readonly peers: TestPeers
  readonly #random: SeededRandom
  readonly #workspaces: Workspace[]
  /** `mtime`s of acknowledged versions: each write has one of its own. */
  readonly written = new Set<number>()
  /** Items' versions that whoever removed the item had seen. */
  readonly removed = new Set<string>()
  #clock = 1_000_000

  constructor(peers: TestPeers, workspaces: Workspace[], random: SeededRandom) {
    this.peers = peers
    this.#workspaces = workspaces
    this.#random = random
  }

  get id(): string {
    return (this.#workspaces[0] as Workspace).id
  }

  async step(): Promise<void> {
    const at = this.#random.integer(this.#workspaces.length)
    const workspace = this.#workspaces[at] as Workspace
    const dice = this.#random.integer(100)
    if (dice < 38) await this.#write(workspace, this.#path())
    else if (dice < 50) await workspace.move(this.#path(), this.#path())
    else if (dice < 60) await this.#remove(at, this.#path())
    else if (dice < 66) await workspace.mkdir(this.#path())
    else if (dice < 76) await this.#transact(workspace)
    else if (dice < 80) await this.#restore(workspace)
    else if (dice < 84) await this.#resolve(workspace)
    else if (dice < 89) this.#divide()
    else if (dice < 94) this.peers.hub.heal()
    else if (dice < 98) await this.#restart(at, false)
    else await this.#restart(at, true)
  }

  #path(): string {
    const depth = 1 + this.#random.integer(3)
    return Array.from({ length: depth }, () => this.#random.pick(NAMES)).join('/')
  }

  async #write(writer: Writer, path: string): Promise<void> {
    const mtime = this.#clock++
    await writer.write(path, `version ${mtime}`, { mtime: new Date(mtime) })
    this.written.add(mtime)
  }

  async #transact(workspace: Workspace): Promise<void> {
    const times = new Map<string, number>()
    await workspace.transact(async (tx) => {
      for (let n = 1 + this.#random.integer(4); n > 0; n--) {
        const mtime = this.#clock++
        const path = this.#path()
        await tx.write(path, `version ${mtime}`, { mtime: new Date(mtime) })
        // Of one path a transaction says one thing.
        times.set(path, mtime)
      }
    })
    for (const time of times.values()) this.written.add(time)
  }

  /** Notes what the device knew of each item once it had removed; of other items nothing was removed, so more does no harm. */
  async #remove(at: number, path: string): Promise<void> {
    const workspace = this.#workspaces[at] as Workspace
    const removed = new Set<string>()
    await workspace.transact(async (tx) => {
      removed.add((await tx.stat(path)).id)
      if ((await tx.stat(path)).kind === 'folder')
        for await (const { id } of tx.list(path, { recursive: true })) removed.add(id)
      await tx.remove(path)
    })
    for (const [item, versions] of await versionsOf(this.peers.homeOf(at), this.id))
      if (removed.has(item)) for (const { id } of versions) this.removed.add(id)
  }

  async #restore(workspace: Workspace): Promise<void> {
    const path = this.#path()
    const versions = await collect(workspace.versions(path))
    const version = this.#random.pick(versions.length > 0 ? versions : [undefined])
    // What is not here yet could only be waited for.
    if (version !== undefined) await workspace.restore(path, version.id, { signal: AbortSignal.timeout(50) })
  }

  async #resolve(workspace: Workspace): Promise<void> {
    const [conflict] = await collect(workspace.conflicts())
    if (conflict !== undefined) await this.#write(workspace, conflict.path)
  }

  #divide(): void {
    const groups: number[][] = [[], []]
    for (const at of this.#workspaces.keys()) this.#random.pick(groups).push(at)
    partition(this.peers, ...groups)
  }

  async #restart(at: number, losingIndex: boolean): Promise<void> {
    const { id } = this
    await this.peers.devices[at]?.close()
    if (losingIndex) await this.peers.homeOf(at).loseIndex()
    this.#workspaces[at] = await (await this.peers.restart(at)).workspaces.open(id)
  }
}

async function openWorld(seed: number): Promise<World> {
  const random = createSeededRandom(`device simulation ${seed}`)
  // Nobody forges here, and most of the time would go into elliptic curves.
  const crypto = () => createDeterministicCrypto({ signatures: 'simulated' })
  const peers = await createTestPeers(3 + random.integer(2), { seed, crypto })
  const [first, ...others] = peers.devices
  const workspace = (await first?.workspaces.create('shared')) as Workspace
  await first?.settled()
  const opened = await Promise.all(others.map((device) => device.workspaces.open(workspace.id)))
  return new World(peers, [workspace, ...opened], random)
}

/** Every version stands, was superseded by one that was based on it, or was removed by someone who knew it. */
function expectNothingLost({ written, removed }: World, { versions, tree }: Replica): void {
  const known = new Set(Object.values(versions).map(({ mtime }) => mtime))
  expect([...written].filter((mtime) => !known.has(mtime))).toEqual([])
  const superseded = new Set(Object.values(versions).flatMap(({ basedOn }) => basedOn))
  const standing = new Map(Object.values(tree).map(({ item, heads }) => [item, heads]))
  const lost = Object.entries(versions).filter(([id, { item, plain }]) => {
    if (superseded.has(id) || removed.has(id)) return false
    // Heads of equal content are shown as one.
    return standing.get(item)?.every((head) => head.id !== id && versions[head.id]?.plain !== plain) ?? true
  })
  expect(lost).toEqual([])
}

async function simulate(seed: number): Promise<number> {
  const world = await openWorld(seed)
  let done = 0
  try {
    const steps = 100 + (seed % 5) * 25
    for (let step = 0; step < steps; step++) {
      await world.step().then(
        () => done++,
        (error: unknown) => {
          if (isPeerfoldError(error) && EXPECTED.has(error.code)) return
          if ((error as Error).name === 'TimeoutError') return
          throw error
        },
      )
    }
    world.peers.hub.heal()
    const replica = await expectConverged(world.peers, world.id)
    expectNothingLost(world, replica)
    for (const device of world.peers.devices) await device.settled({ signal: AbortSignal.timeout(20_000) })
    for (const { status } of world.peers.devices)
      expect(status.value.workspaces).toMatchObject([
        { state: 'synced', copies: { min: world.peers.devices.length } },
      ])
  } finally {
    await world.peers[Symbol.asyncDispose]()
  }
  return done
}

describe('three or four devices that do anything, together and apart', () => {
  for (let seed = FIRST; seed < FIRST + RUNS; seed++) {
    test(`converge and lose nothing, seed ${seed}`, { timeout: 180_000 }, async () => {
      // Most steps do something: a history of refusals would say little.
      expect(await simulate(seed)).toBeGreaterThan(40)
    })
  }
})
