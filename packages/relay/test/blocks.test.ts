import { blockCid } from '@peerfold/core/platform'
import { hashOfStored, toHex } from '@peerfold/core/relay'
import { describe, expect, it } from 'vitest'
import { randomBlock, type TestWorkspace } from './commits.js'
import type { TestDevice } from './device.js'
import { relayFixture, type ShiftedClock, shiftedClock, type TestRelay } from './fixture.js'

const fixture = relayFixture()
const LEASE_MS = 72 * 60 * 60 * 1000

describe('offers (§10.6)', () => {
  it('lack what the workspace has not, fetch it, and are answered when it is durable', async () => {
    const at = await fixture.start()
    const { workspace, device, handle, feed } = await fixture.mailbox(at)
    const blocks = [randomBlock(100), randomBlock(300_000), randomBlock(1_000_000)]
    const offer = await device.offer(handle, blocks)
    expect(offer.lacking).toEqual([true, true, true])
    const said = await offer.stored
    expect(said.stored).toEqual({
      kind: 'blocks',
      count: 3,
      hash: hashOfStored(blocks.map(({ digest }) => digest)),
    })
    const again = await device.offer(handle, [randomBlock(50), ...blocks])
    expect(again.lacking).toEqual([true, false, false, false])
    await again.stored
    await device.push(handle, [await feed.next()])
    const reader = await fixture.device(at)
    await reader.open(workspace, 'pull')
    await reader.exchange.fetch(
      handle,
      blocks.map(({ digest }) => blockCid(digest)),
    )
    expect(reader.store.size).toBe(3)
    for (const { digest, bytes } of blocks) {
      expectBytes(await at.service.readBlock(handle, blockCid(digest)), bytes)
    }
  })

  it('never tell what another workspace has', async () => {
    const at = await fixture.start()
    const [one, two] = [await fixture.mailbox(at), await fixture.mailbox(at)]
    const block = randomBlock(50_000)
    await (await one.device.offer(one.handle, [block])).stored
    const spying = await two.device.offerDigests(two.handle, [block.digest])
    expect(spying.lacking).toEqual([true])
    await expect(
      two.device.exchange.fetch(two.handle, [blockCid(block.digest)], { signal: AbortSignal.timeout(1_500) }),
    ).rejects.toMatchObject({ name: 'TimeoutError' })
    expect(await at.service.readBlock(two.handle, blockCid(block.digest))).toBeUndefined()
    two.device.store.give(block.digest, block.bytes)
    await two.device.vanish()
  })

  it('of a device with wrong bytes end with its connection; its right ones are kept all the same', async () => {
    const at = await fixture.start()
    const { workspace, device, handle } = await fixture.mailbox(at)
    const block = randomBlock(40_000)
    device.store.give(block.digest, randomBlock(40_000).bytes)
    const offer = await device.offerDigests(handle, [block.digest])
    await expect(offer.stored).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
    expect(await at.service.readBlock(handle, blockCid(block.digest))).toBeUndefined()
    const honest = await fixture.device(at)
    await honest.open(workspace)
    await (await honest.offer(handle, [block])).stored
    expectBytes(await at.service.readBlock(handle, blockCid(block.digest)), block.bytes)
  })

  it('of a device that dies in the middle go on where they stopped', async () => {
    const at = await fixture.start()
    const { workspace, device, handle } = await fixture.mailbox(at)
    const blocks = Array.from({ length: 6 }, () => randomBlock(100_000))
    let served = 0
    device.store.onGet = () => (++served > 3 ? new Promise(() => {}) : Promise.resolve())
    const offer = await device.offer(handle, blocks)
    offer.stored.catch(() => {})
    while (at.service.counters().blocksStored < 3) await tick()
    await device.vanish()
    const heir = await fixture.device(at)
    await heir.open(workspace)
    let lacking = blocks.length
    while (lacking > 3) {
      const again = await heir.offer(handle, blocks)
      lacking = again.lacking.filter(Boolean).length
      await again.stored
    }
    for (const { digest, bytes } of blocks) {
      expectBytes(await at.service.readBlock(handle, blockCid(digest)), bytes)
    }
  })

  it('of blocks that the device has not are given up, saying so', async () => {
    const at = await fixture.start()
    const { device, handle } = await fixture.mailbox(at)
    const offer = await device.offerDigests(handle, [randomBlock(10).digest])
    await device.vanish()
    await expect(offer.stored).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
  })
})

describe('leases (§10.6)', () => {
  async function leased(clock: ShiftedClock) {
    const at = await fixture.start({ clock })
    const mine = await fixture.mailbox(at)
    const block = randomBlock(60_000)
    await (await mine.device.offer(mine.handle, [block])).stored
    const here = () => at.service.readBlock(mine.handle, blockCid(block.digest))
    return { at, ...mine, block, here }
  }

  it('run out after 72 hours: the block goes, and the workspace has its room back', async () => {
    const clock = shiftedClock()
    const { at, here, device, workspace } = await leased(clock)
    const { bytes } = await device.open(workspace)
    clock.shift(LEASE_MS - 60_000)
    expect((await at.service.collect()).blocks).toBe(0)
    expect(await here()).toBeDefined()
    clock.shift(61_000)
    expect(await at.service.collect()).toEqual({ blocks: 1, bytes: 60_000 })
    expect(await here()).toBeUndefined()
    expect((await reopen(at, device, clock, workspace)).bytes).toBe(bytes - 60_256)
    expect(await at.relay.status()).toMatchObject({ blocks: 0 })
  })

  it('are permanent once their device has pushed, and stay so through a rebuilt index', async () => {
    const clock = shiftedClock()
    const { at, here, device, handle, feed, block } = await leased(clock)
    const commit = await feed.next()
    await device.push(handle, [commit])
    const second = randomBlock(20)
    await (await device.offer(handle, [second])).stored
    // Nothing new in it, and still its answer promises the second block.
    await device.push(handle, [commit])
    clock.shift(2 * LEASE_MS)
    expect((await at.service.collect()).blocks).toBe(0)
    expectBytes(await here(), block.bytes)
    await at.relay.close()
    const { rm } = await import('node:fs/promises')
    await rm(`${at.directory}/index`, { recursive: true })
    const again = await fixture.start({ directory: at.directory, clock })
    expect((await again.service.collect()).blocks).toBe(0)
    for (const { digest } of [block, second]) {
      expect(await again.service.readBlock(handle, blockCid(digest))).toBeDefined()
    }
  })

  it('of another device are not made permanent by my push', async () => {
    const clock = shiftedClock()
    const { at, here, workspace, handle, feed } = await leased(clock)
    const other = await fixture.device(at)
    await other.open(workspace)
    await other.push(handle, [await feed.next()])
    clock.shift(LEASE_MS + 1)
    expect((await at.service.collect()).blocks).toBe(1)
    expect(await here()).toBeUndefined()
  })

  it('begin anew when a block is offered again', async () => {
    const clock = shiftedClock()
    const { at, here, device, handle, block, workspace } = await leased(clock)
    clock.shift(LEASE_MS - 1000)
    await reopen(at, device, clock, workspace)
    const again = await device.offer(handle, [block])
    expect(again.lacking).toEqual([false])
    await again.stored
    clock.shift(2000)
    expect((await at.service.collect()).blocks).toBe(0)
    expect(await here()).toBeDefined()
    clock.shift(LEASE_MS)
    expect((await at.service.collect()).blocks).toBe(1)
  })

  it('a block that one workspace lets go stays for the other', async () => {
    const clock = shiftedClock()
    const { at, here, block } = await leased(clock)
    const other = await fixture.mailbox(at)
    await (await other.device.offer(other.handle, [block])).stored
    await other.device.push(other.handle, [await other.feed.next()])
    clock.shift(LEASE_MS + 1)
    await at.service.collect()
    expect(await here()).toBeUndefined()
    expectBytes(await at.service.readBlock(other.handle, blockCid(block.digest)), block.bytes)
  })

  it('whatever an offer and a collection do at the same time, what was acknowledged is there', async () => {
    const clock = shiftedClock()
    const at = await fixture.start({ clock })
    const { device, handle, workspace } = await fixture.mailbox(at)
    const blocks = Array.from({ length: 12 }, () => randomBlock(2_000))
    for (let round = 0; round < 12; round++) {
      const collecting = round === 0 ? undefined : at.service.collect()
      for (let turns = 0; turns < round; turns++) await tick()
      await (await device.offer(handle, blocks)).stored
      for (const { digest, bytes } of blocks) {
        expectBytes(await at.service.readBlock(handle, blockCid(digest)), bytes)
      }
      await collecting
      for (const { digest } of blocks) {
        expect(await at.service.readBlock(handle, blockCid(digest)), toHex(digest)).toBeDefined()
      }
      clock.shift(LEASE_MS + 60_000)
      await reopen(at, device, clock, workspace)
    }
  })

  it('what a crash left of blocks that nobody was told of is deleted', async () => {
    const at = await fixture.start()
    const { handle, device } = await fixture.mailbox(at)
    const block = randomBlock(70_000)
    await (await device.offer(handle, [block])).stored
    await at.relay.close()
    const { openFileBlockStore } = await import('../../node/src/stores/block-store/index.js')
    const store = await openFileBlockStore(`${at.directory}/blocks`)
    const orphan = randomBlock(80_000)
    await store.put([{ cid: blockCid(orphan.digest), bytes: orphan.bytes }])
    await store.close()
    const again = await fixture.start({ directory: at.directory })
    expect((await again.service.collect()).blocks).toBe(1)
    expectBytes(await again.service.readBlock(handle, blockCid(block.digest)), block.bytes)
  })
})

describe('a quota', () => {
  it('refuses what is beyond, and lets everything else go on', async () => {
    const at = await fixture.start({ limits: { quotaBytes: 100_000 } })
    const { workspace, device, handle, feed } = await fixture.mailbox(at)
    const other = await fixture.mailbox(at)
    const first = await feed.next(50_000)
    await device.push(handle, [first])
    const second = await feed.next(60_000)
    await expect(device.push(handle, [second])).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
    const offer = await device.offer(handle, [randomBlock(60_000)])
    await expect(offer.stored).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
    expect(await device.readAll(handle)).toEqual([first.id])
    const small = await device.offer(handle, [randomBlock(1_000)])
    await small.stored
    expect((await device.push(handle, [first])).next).toBe(2)
    workspace.rotate()
    await device.register(workspace)
    await device.open(workspace)
    expect((await other.device.push(other.handle, [await other.feed.next()])).next).toBe(2)
  })
})

/** Lets what is under way go on a little. */
function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** The proof's time is the relay's, which the test moves. */
async function reopen(at: TestRelay, device: TestDevice, clock: ShiftedClock, workspace: TestWorkspace) {
  expect(device.relay).toBe(at.relay.peer)
  device.welcome!.time = Math.trunc(clock.now())
  return device.open(workspace)
}

/** Vitest compares large arrays item by item, which takes seconds. */
function expectBytes(found: Uint8Array | undefined, bytes: Uint8Array): void {
  expect(found?.length).toBe(bytes.length)
  expect(Buffer.compare(found as Uint8Array, bytes)).toBe(0)
}
