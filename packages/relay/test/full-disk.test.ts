import { execFileSync } from 'node:child_process'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { blockCid, systemClock } from '@peerfold/core/platform'
import { describe, expect, it } from 'vitest'
import { randomBlock, TestWorkspace } from './commits.js'
import { relayFixture } from './fixture.js'

const fixture = relayFixture()

/** A small file system of its own; undefined where mounting is not allowed. */
async function smallDisk(megabytes: number): Promise<string | undefined> {
  const path = await fixture.directory()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  fixture.cleanUp(async () => {
    execFileSync('umount', ['-l', path])
  })
  return path
}

async function fill(directory: string): Promise<string> {
  const path = join(directory, 'somebody-elses')
  for (const bytes of [64, 16, 4, 1].map((mib) => mib * 1024 * 1024).concat(4096)) {
    for (let full = false; !full; ) {
      full = await writeFile(path, new Uint8Array(bytes), { flag: 'a' }).then(
        () => false,
        () => true,
      )
    }
  }
  return path
}

describe('a full disk (§10.9)', () => {
  it('makes the relay read-only and truthful; when there is room again, it goes on', async (test) => {
    const directory = await smallDisk(80)
    if (directory === undefined) return test.skip('mounting is not allowed here')
    const limits = { refuseBlocksAt: 101, refuseCommitsAt: 101 }
    const at = await fixture.start({ directory: join(directory, 'data'), limits })
    const workspace = new TestWorkspace()
    const device = await fixture.device(at)
    await device.register(workspace)
    await device.open(workspace)
    const feed = workspace.feed()
    const block = randomBlock(50_000)
    await (await device.offer(workspace.handle, [block])).stored
    const first = await feed.next()
    await device.push(workspace.handle, [first])
    const foreign = await fill(directory)
    const stored = [first.id]
    let refused = 0
    let pending = await feed.next(200_000)
    for (let tries = 0; tries < 200 && refused < 3; tries++) {
      try {
        await device.push(workspace.handle, [pending])
        stored.push(pending.id)
        pending = await feed.next(200_000)
      } catch (error) {
        expect(['STORE_FULL', 'IO_FAILED']).toContain((error as { code: string }).code)
        refused++
      }
    }
    expect(refused).toBe(3)
    expect(at.service.state).toBe('read-only')
    expect(await at.relay.status()).toMatchObject({ state: 'read-only', reason: expect.any(String) })
    const offer = device.offer(workspace.handle, [randomBlock(40_000)])
    await expect(offer.then(({ stored: said }) => said)).rejects.toMatchObject({
      code: expect.stringMatching(/STORE_FULL|IO_FAILED/),
    })
    expect(await device.readAll(workspace.handle)).toEqual(stored)
    expect(await at.service.readBlock(workspace.handle, blockCid(block.digest))).toEqual(block.bytes)
    expect(await readdir(join(directory, 'data'))).not.toContain('reserve')
    await at.relay.close()
    await rm(foreign)
    const again = await fixture.start({ directory: join(directory, 'data') })
    expect(again.service.state).toBe('ready')
    const heir = await fixture.device(again)
    await heir.open(workspace)
    expect(await heir.readAll(workspace.handle)).toEqual(stored)
    await heir.push(workspace.handle, [pending])
    expect(await heir.readAll(workspace.handle)).toEqual([...stored, pending.id])
  })
  it('refuses blocks before it refuses commits, and both before it is full', async (test) => {
    const directory = await smallDisk(80)
    if (directory === undefined) return test.skip('mounting is not allowed here')
    const at = await fixture.start({ directory: join(directory, 'data') })
    const workspace = new TestWorkspace()
    const device = await fixture.device(at)
    await device.register(workspace)
    await device.open(workspace)
    const feed = workspace.feed()
    const offer = () => device.offer(workspace.handle, [randomBlock(1000)]).then(({ stored }) => stored)
    await offer()
    await writeFile(join(directory, 'somebody-elses'), new Uint8Array(58 * 1024 * 1024))
    while ((await offer().catch(codeOf)) !== 'STORE_FULL') await systemClock.sleep(100)
    await device.push(workspace.handle, [await feed.next()])
    await writeFile(join(directory, 'somebody-elses'), new Uint8Array(62 * 1024 * 1024))
    const state = () => at.service.state as string
    while (state() === 'ready') await systemClock.sleep(100)
    const refused = await feed.next()
    await expect(device.push(workspace.handle, [refused])).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect((await device.readAll(workspace.handle)).length).toBe(1)
    await rm(join(directory, 'somebody-elses'))
    while (state() !== 'ready') await systemClock.sleep(100)
    await device.push(workspace.handle, [refused])
  })
})

function codeOf(error: { code: string }): string {
  return error.code
}
