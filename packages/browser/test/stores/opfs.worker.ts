import {
  type BlockDisk,
  createWebCrypto,
  openPackedBlockStore,
  type SegmentFile,
} from '@peerfold/core/platform'
import { blockStoreSuite } from '@peerfold/core/testing'
import { openKeyValue } from '../../src/stores/key-value.js'
import { openOpfsDisk } from '../../src/stores/opfs/opfs-disk.js'

/*
 * Synchronous access handles exist in dedicated workers only, and the tests run in a page: this runs the conformance suite test by test, as the page
 * asks for each by its name.
 */
const tests = new Map<string, () => Promise<void> | void>()
const crypto = createWebCrypto()

blockStoreSuite(
  {
    describe: (_, define) => define(),
    test: (name, body) => void tests.set(name, body),
  },
  async () => {
    const name = `test-${globalThis.crypto.randomUUID()}`
    const files: SegmentFile[] = []
    const open = async () =>
      openPackedBlockStore({
        crypto,
        segmentBytes: 2 << 20,
        disk: listening(await openOpfsDisk(name), files),
        openIndex: () => openKeyValue(`${name}/index`),
      })
    return { store: await open(), reopen: open, damage: (cid) => damage(files, cid.multihash.digest) }
  },
)

/** Nobody else can open a segment that a store has open: damage is done by its own handle. */
function listening(disk: BlockDisk, files: SegmentFile[]): BlockDisk {
  return {
    ...disk,
    segments: async (path) => {
      const segments = await disk.segments(path)
      return {
        ...segments,
        open: async (name, create) => {
          const file = await segments.open(name, create)
          files.push(file)
          return file
        },
      }
    },
  }
}

async function damage(files: readonly SegmentFile[], digest: Uint8Array): Promise<void> {
  for (const file of files) {
    const size = await file.size().catch(() => 0)
    const bytes = new Uint8Array(size)
    if (size > 0) await file.read(bytes, 0)
    for (let at = 0; at + digest.length < size; at++) {
      if (!digest.every((byte, i) => bytes[at + i] === byte)) continue
      const first = at + digest.length
      await file.write(Uint8Array.of((bytes[first] as number) ^ 1), first)
    }
  }
}

addEventListener('message', async ({ data: name }: MessageEvent<string>) => {
  try {
    const body = tests.get(name)
    if (body === undefined) throw new Error(`no such test: ${name}`)
    await body()
    postMessage({ name })
  } catch (error) {
    postMessage({ name, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
