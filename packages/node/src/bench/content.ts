import { randomFillSync } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Crypto } from '@peerfold/core'
import {
  Chunker,
  type ContentKeys,
  createGearTable,
  readContent,
  writeContent,
} from '@peerfold/core/platform'
import { openFileBlockStore } from '../stores/block-store/index.js'
import { createNodeCrypto } from '../workers/node-crypto.js'
import { type Measurement, measurement, timed } from './measurement.js'

const MiB = 1024 * 1024
const PIECE = MiB

const keys: ContentKeys = { dedupSecret: new Uint8Array(32).fill(1), gearSeed: new Uint8Array(32).fill(2) }

/** Chunking alone, on one thread. */
export async function measureChunker(bytes = 512 * MiB): Promise<Measurement> {
  const pieces = randomPieces(8)
  const chunker = new Chunker(createGearTable(keys.gearSeed))
  const seconds = await timed(async () => {
    for (let at = 0; at < bytes; at += PIECE) chunker.push(pieces[(at / PIECE) % 8] as Uint8Array)
    chunker.finish()
  })
  return measurement('chunking', `${bytes / MiB} MiB, one thread`, bytes / 1e6 / seconds, 'MB/s')
}

/** Chunk, hash, seal and hash again, with the worker threads, into a sink that keeps nothing. */
export async function measureSealing(bytes = 1024 * MiB): Promise<Measurement> {
  return withCrypto(async (crypto) => {
    const seconds = await timed(() =>
      writeContent(distinct(bytes), { keys, crypto, sink: { put: async () => {} } }),
    )
    return measurement(
      'sealing',
      `${bytes / MiB} MiB of random bytes, not stored`,
      bytes / 1e6 / seconds,
      'MB/s',
    )
  })
}

/** The whole way of a byte to the disk and back: sealed, stored, flushed; then read, verified and opened. */
export async function measureLargeFile(bytes = 1024 * MiB): Promise<Measurement[]> {
  return withStore(async (store, crypto) => {
    const workload = `${bytes / MiB} MiB of random bytes in the block store`
    let ref = await writeContent([], { keys, crypto, sink: store })
    const writing = await timed(async () => {
      ref = await writeContent(distinct(bytes), { keys, crypto, sink: store })
      await store.flush()
    })
    const reading = await timed(async () => {
      for await (const _ of readContent(ref, { source: store, crypto }));
    })
    return [
      measurement('write, durable', workload, bytes / 1e6 / writing, 'MB/s'),
      measurement('read, verified', workload, bytes / 1e6 / reading, 'MB/s'),
    ]
  })
}

/** Many small files, one block each, flushed once at the end. */
export async function measureSmallFiles(count = 10_000, size = 4096): Promise<Measurement> {
  return withStore(async (store, crypto) => {
    const seconds = await timed(async () => {
      for (let i = 0; i < count; i++) {
        const content = new Uint8Array(size)
        new DataView(content.buffer).setUint32(0, i)
        await writeContent([content], { keys, crypto, sink: store })
      }
      await store.flush()
    })
    return measurement(
      'small files, durable',
      `${count} files of ${size} bytes, one after the other`,
      count / seconds,
      'files/s',
    )
  })
}

/** Most memory that the process has had, threads included (`VmHWM`); `undefined` where /proc is missing. */
export async function measurePeakMemory(workload: string): Promise<Measurement | undefined> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
  const kilobytes = /VmHWM:\s+(\d+) kB/.exec(status)?.[1]
  return kilobytes === undefined
    ? undefined
    : measurement('peak memory', workload, Number(kilobytes) / 1024, 'MiB')
}

/** All of the above, in order. */
export async function benchContent(): Promise<Measurement[]> {
  const all = [
    await measureChunker(),
    await measureSealing(),
    ...(await measureLargeFile()),
    await measureSmallFiles(),
  ]
  const peak = await measurePeakMemory('all content benchmarks')
  return peak === undefined ? all : [...all, peak]
}

async function withCrypto<T>(task: (crypto: Crypto) => Promise<T>): Promise<T> {
  const crypto = createNodeCrypto()
  try {
    return await task(crypto)
  } finally {
    await crypto.close()
  }
}

async function withStore<T>(
  task: (store: Awaited<ReturnType<typeof openFileBlockStore>>, crypto: Crypto) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'peerfold-bench-'))
  try {
    return await withCrypto(async (crypto) => {
      const store = await openFileBlockStore(directory, { crypto })
      try {
        return await task(store, crypto)
      } finally {
        await store.close()
      }
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function randomPieces(count: number): Uint8Array[] {
  return Array.from({ length: count }, () => randomFillSync(new Uint8Array(PIECE)))
}

/** Random bytes of which no chunk comes twice, without the cost of making them all: each piece is numbered throughout. */
function* distinct(bytes: number): Iterable<Uint8Array> {
  const piece = randomFillSync(new Uint8Array(PIECE))
  const view = new DataView(piece.buffer)
  for (let at = 0; at < bytes; at += PIECE) {
    for (let i = 0; i < PIECE; i += 32_768) view.setUint32(i, at + i)
    yield piece.subarray(0, Math.min(PIECE, bytes - at))
  }
}
