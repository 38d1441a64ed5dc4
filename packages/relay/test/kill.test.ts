import { randomInt } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Statement } from '@peerfold/core/relay'
import { describe, expect, test } from 'vitest'
import { createSeededRandom } from '../../core/src/testing/seeded-random.js'
import { randomBlock, type TestCommit, type TestFeed, TestWorkspace } from './commits.js'
import { TestDevice } from './device.js'
import { type RunningRelay, runRelay } from './relay-process.js'

/** Kills in all; the campaign (`npm run test:campaign:relay-kill`) makes fifty. */
const KILLS = Number(process.env.PEERFOLD_KILLS ?? 5)
const SEED = Number(process.env.PEERFOLD_SEED ?? randomInt(2 ** 31))
const AUTHORS = 4
/** Acknowledgements in a life of the relay before it is killed: at any of them, in the middle of what others wait for. */
const MOST_ACKS = 60

/** Whoever has an answer has written down what it promises. */
interface Ledger {
  /** Ids in the order in which their author sent them. */
  acknowledged: string[]
  /** Blocks that were stated to be stored. */
  blocks: Uint8Array[]
  /** The newest statement. */
  said: Statement | undefined
}

/** A device that pushes what it writes, one commit after the other, and sends again what it had no answer for. */
class Author {
  readonly workspace = new TestWorkspace()
  readonly ledger: Ledger = { acknowledged: [], blocks: [], said: undefined }
  readonly #feed: TestFeed = this.workspace.feed()
  #device!: TestDevice
  #unanswered: TestCommit[] = []
  /** Sent and perhaps there. */
  readonly sent = new Set<string>()

  get handle(): string {
    return this.workspace.handle
  }

  get device(): TestDevice {
    return this.#device
  }

  async begin(relay: RunningRelay): Promise<void> {
    this.#device = await TestDevice.create()
    await this.#device.connect(relay.addresses)
    await this.#device.register(this.workspace)
    await this.#device.open(this.workspace)
  }

  async reconnect(relay: RunningRelay): Promise<void> {
    await this.#device.connect(relay.addresses)
    const { signed } = await this.#device.open(this.workspace)
    this.#note(await this.#device.verify(this.handle, signed))
  }

  /** Until the relay is gone. */
  async work(onAck: () => void): Promise<void> {
    try {
      for (;;) {
        await this.#offer()
        await this.#push()
        onAck()
      }
    } catch (error) {
      if ((error as { code?: string }).code !== 'NOT_CONNECTED') throw error
    }
  }

  async close(): Promise<void> {
    await this.#device.close()
  }

  async #offer(): Promise<void> {
    const block = randomBlock(1_000 + randomInt(100_000))
    const { stored } = await this.#device.offer(this.handle, [block])
    this.#note(await stored)
    this.ledger.blocks.push(block.digest)
  }

  /** What had no answer comes first, with what is new behind it. */
  async #push(): Promise<void> {
    const more = 1 + randomInt(4)
    for (let i = 0; i < more; i++) this.#unanswered.push(await this.#feed.next(100 + randomInt(3_000)))
    const commits = this.#unanswered
    for (const { id } of commits) this.sent.add(id)
    this.#note(await this.#device.push(this.handle, commits))
    this.ledger.acknowledged.push(...commits.map(({ id }) => id))
    this.#unanswered = []
  }

  /** What a relay said it must not take back. */
  #note(said: Statement): void {
    const before = this.ledger.said
    if (before !== undefined) {
      expect(said.incarnation, 'it lost nothing, so it is the same life of the mailbox').toBe(
        before.incarnation,
      )
      expect(said.next).toBeGreaterThanOrEqual(before.next)
      if (said.next === before.next) expect(said.chain).toBe(before.chain)
    }
    this.ledger.said = said
  }
}

/** All that was acknowledged is there, once, and nothing that nobody sent. */
async function expectKept(author: Author): Promise<void> {
  const { ledger, handle, device, sent } = author
  // Checks as well that places are dense and that the signed chain is that of the ids.
  const ids = await device.readAll(handle)
  expect(new Set(ids).size, 'delivered twice').toBe(ids.length)
  const there = new Set(ids)
  expect(
    ledger.acknowledged.filter((id) => !there.has(id)),
    'acknowledged and lost',
  ).toEqual([])
  expect(
    ids.filter((id) => !sent.has(id)),
    'from nowhere',
  ).toEqual([])
  for (let at = 0; at < ledger.blocks.length; at += 1_000) {
    const { lacking } = await device.offerDigests(handle, ledger.blocks.slice(at, at + 1_000))
    expect(lacking.filter(Boolean), 'blocks stated and lost').toEqual([])
  }
}

describe('kill -9 of a relay under load', () => {
  test(`${KILLS} times: nothing acknowledged is lost, nothing is delivered twice (seed ${SEED})`, async () => {
    const directory = await fs.mkdtemp(join(tmpdir(), 'peerfold-relay-kill-'))
    const data = join(directory, 'data')
    const random = createSeededRandom(SEED)
    const authors = Array.from({ length: AUTHORS }, () => new Author())
    const readyMs: number[] = []
    const args = ['--open', '--log-level', 'warn', '--set', 'rates.requestsPerPeer=100000']
    const start = async () => {
      const relay = await runRelay(data, args)
      readyMs.push(Math.round(relay.readyMs))
      return relay
    }
    let relay = await start()
    try {
      await Promise.all(authors.map((author) => author.begin(relay)))
      for (let kill = 0; kill < KILLS; kill++) {
        let left = 1 + random.integer(MOST_ACKS)
        const onAck = () => {
          if (--left === 0) relay.child.kill('SIGKILL')
        }
        await Promise.all(authors.map((author) => author.work(onAck)))
        expect((await relay.ended).signal).toBe('SIGKILL')
        relay = await start()
        await Promise.all(authors.map((author) => author.reconnect(relay)))
        await Promise.all(authors.map(expectKept))
      }
      expect((await relay.stop()).code).toBe(0)
      const commits = authors.reduce((sum, { ledger }) => sum + ledger.acknowledged.length, 0)
      const blocks = authors.reduce((sum, { ledger }) => sum + ledger.blocks.length, 0)
      console.log(
        `${KILLS} kills: ${commits} commits and ${blocks} blocks acknowledged, none lost, none twice; ready after ${readyMs.join(', ')} ms with the start of the process; ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}`,
      )
    } finally {
      relay.child.kill('SIGKILL')
      await Promise.all(authors.map((author) => author.close()))
      await fs.rm(directory, { recursive: true, force: true })
    }
  }, 900_000)
})
