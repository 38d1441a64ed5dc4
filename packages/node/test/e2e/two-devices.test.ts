import { createHash, randomFillSync } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DemoDevice } from '../../dist/demo/device.js'
import { bringUpPair } from '../../dist/demo/pair.js'
import { compare, walk } from '../../dist/demo/verifier.js'
import { peakMemory } from '../../src/bench/process-memory.js'
import { makeSourceTree } from './source-tree.js'

const GIB = 2 ** 30
const MEMORY_LIMIT = 300 * 2 ** 20

describe('two devices, as processes of the peerfold command', () => {
  let directory: string
  let laptop: DemoDevice
  let desktop: DemoDevice

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'peerfold-e2e-'))
    laptop = new DemoDevice('laptop', directory)
    desktop = new DemoDevice('desktop', directory)
    await bringUpPair(laptop, desktop)
  }, 120_000)

  afterAll(async () => {
    await Promise.all([laptop.stop(), desktop.stop()])
    await rm(directory, { recursive: true, force: true })
  }, 60_000)

  test('a source tree of 5,000 files arrives byte for byte, with modes, links, times and empty folders', async () => {
    const files = await makeSourceTree(join(laptop.folder, 'tree'), 5000)
    expect(files).toBeGreaterThanOrEqual(5000)
    await laptop.settle()
    await desktop.settle()
    expect(compare(await walk(laptop.folder), await walk(desktop.folder))).toEqual([])
    await expectMemory(laptop, desktop)
  }, 300_000)

  test('a file of 1 GiB arrives byte for byte in bounded memory', async () => {
    await writeRandomFile(join(desktop.folder, 'large.bin'), GIB)
    await desktop.settle()
    await laptop.settle()
    expect(compare(await walk(desktop.folder), await walk(laptop.folder))).toEqual([])
    await expectMemory(laptop, desktop)
  }, 300_000)

  test('status names both devices, the workspace and its copies', async () => {
    const [status] = await laptop.run('status')
    expect(status).toMatchObject({
      device: { name: 'laptop' },
      peers: [{ kind: 'device', connected: true, via: 'tcp' }],
      workspaces: [
        { state: 'synced', folder: laptop.folder, pending: { files: 0, bytes: 0 }, copies: { min: 2 } },
      ],
    })
  })
})

async function expectMemory(...devices: DemoDevice[]): Promise<void> {
  for (const { name, pid } of devices) {
    const peak = await peakMemory(pid as number)
    console.log(`${name}: peak memory ${(peak / 2 ** 20).toFixed(0)} MiB`)
    expect(peak, name).toBeLessThanOrEqual(MEMORY_LIMIT)
  }
}

/** @returns SHA-256 of what was written */
async function writeRandomFile(path: string, size: number): Promise<string> {
  const file = await open(path, 'wx')
  const hash = createHash('sha256')
  const piece = new Uint8Array(4 << 20)
  try {
    for (let written = 0; written < size; written += piece.length) {
      randomFillSync(piece)
      hash.update(piece)
      await file.write(piece)
    }
  } finally {
    await file.close()
  }
  return hash.digest('hex')
}
