import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/platform/system-clock.js'
import type { KeyValue } from '../../src/ports/key-value.js'
import { createDeterministicCrypto } from '../../src/testing/deterministic-crypto.js'
import {
  copyIndex,
  createTestPeers,
  type HomeStore,
  type MemoryHome,
  type TestPeers,
} from '../../src/testing/test-peers.js'
import { createTree } from '../../src/tree/tree.js'
import { ROOT_ITEM } from '../../src/tree/types.js'
import type { Workspace } from '../../src/workspace/types.js'
import { collect, expectConverged, partition, textsOf, waitUntil } from './replicas.js'

/** Nobody forges here, and signing is most of what a device does otherwise. */
const crypto = () => createDeterministicCrypto({ signatures: 'simulated' })

/** So many that their records fit into no commit: they travel as blocks that the commit names (PROTOCOL.md §4.4). */
const FILES = 1200
const [AUTHOR, READER] = [0, 1]

async function transactLarge(workspace: Workspace): Promise<void> {
  await workspace.transact(async (tx) => {
    // One content, so that what travels is the transaction and little besides.
    for (let i = 0; i < FILES; i++) await tx.write(`many/${i}.txt`, 'same')
  })
}

/** How many of the transaction's files an index shows, by its counters and by its listing. */
async function countIn(index: KeyValue, workspace: string): Promise<{ counted: number; listed: number }> {
  const tree = await createTree({ db: index, workspace, clock: systemClock })
  try {
    const { files } = await tree.stats()
    let listed = 0
    for await (const { item, name } of tree.children(ROOT_ITEM))
      if (name === 'many') listed = (await collect(tree.children(item))).length
    // One file was there before.
    return { counted: files - 1, listed }
  } finally {
    await tree.close()
  }
}

/** How many of the transaction's files a person sees. */
async function listIn(peers: TestPeers, id: string, at: number): Promise<number> {
  const workspace = (await peers.devices[at]?.workspaces.open(id)) as Workspace
  const items = await collect(workspace.list('', { recursive: true }))
  return items.filter(({ path }) => path.startsWith('many/')).length
}

/** Writes to a store that are made to fail, each once before and once after it was made. */
const WRITES = 4

/** Fails a write to a store, before or after it is made, and all that come later: each `at` another one, at last none. */
function crashAt(home: MemoryHome, store: HomeStore, at: number): { down: boolean } {
  const state = { down: false }
  if (at >= 2 * WRITES) return state
  let writes = 0
  home.onWrite = (written, done) => {
    const counts = written === store && done === (at % 2 === 1)
    if (!state.down && (!counts || writes++ < Math.floor(at / 2))) return
    state.down = true
    throw new Error('power cut')
  }
  return state
}

/** Watches what a device has stored after each write, and what its people see meanwhile: nothing of a transaction, or all of it. */
class Observer {
  readonly #peers: TestPeers
  readonly #id: string
  readonly #at: number
  readonly #copies: Array<Promise<KeyValue>> = []
  /** Called before (false) and after each write. */
  onWrite: ((store: HomeStore, done: boolean) => void) | undefined

  constructor(peers: TestPeers, id: string, at: number) {
    this.#peers = peers
    this.#id = id
    this.#at = at
    peers.homeOf(at).onWrite = (store, done) => {
      if (store === 'index' && done) this.#copies.push(copyIndex(peers.homeOf(at).stores(id).index))
      this.onWrite?.(store, done)
    }
  }

  list(): Promise<number> {
    return listIn(this.#peers, this.#id, this.#at)
  }

  async expectNothingYet(): Promise<void> {
    expect(await this.list()).toBe(0)
  }

  /** Waits for all of it, looking all the time. */
  async untilWhole(): Promise<void> {
    const seen = new Set<number>()
    await waitUntil('the transaction has arrived', async () => {
      const listed = await this.list()
      seen.add(listed)
      return listed === FILES
    })
    expect([...seen].filter((count) => count !== 0 && count !== FILES)).toEqual([])
  }

  async expectNeverPartial(): Promise<void> {
    const states = new Set<string>()
    for (const copy of this.#copies) {
      const { counted, listed } = await countIn(await copy, this.#id)
      states.add(`${counted} counted, ${listed} listed`)
    }
    expect([...states].sort()).toEqual(['0 counted, 0 listed', `${FILES} counted, ${FILES} listed`])
  }
}

interface Pair extends AsyncDisposable {
  peers: TestPeers
  id: string
  workspace: Workspace
}

/** Two devices that share a workspace, apart from each other. */
async function apart(): Promise<Pair> {
  const peers = await createTestPeers(2, { crypto })
  const workspace = (await peers.devices[AUTHOR]?.workspaces.create('work')) as Workspace
  await workspace.write('before.txt', 'before')
  await peers.devices[AUTHOR]?.settled()
  await expectConverged(peers, workspace.id)
  partition(peers, [AUTHOR], [READER])
  return { peers, id: workspace.id, workspace, [Symbol.asyncDispose]: () => peers[Symbol.asyncDispose]() }
}

async function expectWhole({ peers, id }: Pair): Promise<void> {
  const texts = textsOf(await expectConverged(peers, id))
  expect(Object.keys(texts)).toHaveLength(FILES + 1)
  expect(texts['many/0.txt']).toEqual(['same'])
}

describe('a transaction too large for one commit', () => {
  test('is seen by another device as a whole', async () => {
    await using pair = await apart()
    const observer = new Observer(pair.peers, pair.id, READER)
    await transactLarge(pair.workspace)
    await observer.expectNothingYet()
    pair.peers.hub.heal()
    await observer.untilWhole()
    await observer.expectNeverPartial()
    await expectWhole(pair)
  })

  test('is seen as a whole by whoever lost the connection while its blocks came, again and again', async () => {
    await using pair = await apart()
    const { peers } = pair
    const observer = new Observer(peers, pair.id, READER)
    await transactLarge(pair.workspace)
    let cuts = 0
    let broken = false
    observer.onWrite = (store, done) => {
      if (store !== 'blocks' || !done || broken) return
      partition(peers, [AUTHOR], [READER])
      broken = true
      cuts++
    }
    for (let arrived = 0; arrived < FILES; ) {
      broken = false
      peers.hub.heal()
      await waitUntil('a piece or all of it has come', async () => broken || (await observer.list()) > 0)
      arrived = await observer.list()
    }
    expect(cuts).toBeGreaterThan(2)
    observer.onWrite = undefined
    peers.hub.heal()
    await observer.expectNeverPartial()
    await expectWhole(pair)
  })

  for (const store of ['blocks', 'log', 'index'] as const) {
    test(`is whole or absent when its author crashes: at each write to ${store}`, async () => {
      await using pair = await apart()
      const { peers, id } = pair
      const home = peers.homeOf(AUTHOR)
      let crashes = 0
      for (let at = 0, done = false; !done; at++) {
        const author = (await peers.devices[AUTHOR]?.workspaces.open(id)) as Workspace
        const crash = crashAt(home, store, at)
        const acknowledged = await transactLarge(author).then(
          () => true,
          () => false,
        )
        await peers.devices[AUTHOR]?.close()
        home.onWrite = undefined
        await peers.restart(AUTHOR)
        const { counted, listed } = await countIn(home.stores(id).index, id)
        if (crash.down) crashes++
        expect(counted === FILES || (!acknowledged && counted === 0), `${counted} of ${FILES}`).toBe(true)
        expect(listed).toBe(counted)
        done = counted === FILES
      }
      expect(crashes).toBeGreaterThan(0)
      const observer = new Observer(peers, id, READER)
      peers.hub.heal()
      await observer.untilWhole()
      await observer.expectNeverPartial()
      await expectWhole(pair)
    })

    test(`is whole or absent on a device that crashes while it comes: at each write to ${store}`, async () => {
      await using pair = await apart()
      const { peers, id } = pair
      await transactLarge(pair.workspace)
      const home = peers.homeOf(READER)
      let crashes = 0
      for (let at = 0, whole = false; !whole; at++) {
        const crash = crashAt(home, store, at)
        peers.hub.heal()
        const list = () => listIn(peers, id, READER)
        await waitUntil('it crashes, or has all', async () => crash.down || (await list()) === FILES)
        whole = !crash.down
        if (crash.down) crashes++
        await peers.devices[READER]?.close()
        partition(peers, [AUTHOR], [READER])
        home.onWrite = undefined
        const { counted, listed } = await countIn(await copyIndex(home.stores(id).index), id)
        expect([0, FILES]).toContain(counted)
        expect(listed).toBe(counted)
        await peers.restart(READER)
        expect([0, FILES]).toContain(await list())
      }
      expect(crashes).toBeGreaterThan(1)
      peers.hub.heal()
      await expectWhole(pair)
    })
  }
})
