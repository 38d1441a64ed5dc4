import { execFile } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DemoDevice } from '../demo/device.js'
import { bringUpPair } from '../demo/pair.js'
import { compare, walk } from '../demo/verifier.js'
import { type Measurement, measurement, timed } from './measurement.js'
import { peakMemory } from './process-memory.js'

const MiB = 2 ** 20
const FILES_IN_A_FOLDER = 100

export interface FolderBenchOptions {
  /** @default 10,000 */
  files?: number
  /** Bytes of each small file. @default 4096 */
  size?: number
  /** Bytes of the one large file. @default 1 GiB */
  large?: number
}

/**
 * Two devices as processes of the `peerfold` command, over libp2p on loopback: small files, then one large file, appear in the first one's folder,
 * and time runs until both devices say that everything is on both. So it includes noticing the change, waiting for files to come to rest,
 * sealing, two durable copies, and the commands that ask. What `rsync` takes to copy the same is told beside it, where it is installed.
 */
export async function benchFolder(options: FolderBenchOptions = {}): Promise<Measurement[]> {
  const directory = await mkdtemp(join(tmpdir(), 'peerfold-bench-'))
  const from = new DemoDevice('first', directory)
  const to = new DemoDevice('second', directory)
  try {
    await bringUpPair(from, to)
    return await measureFolder(directory, from, to, options)
  } finally {
    await Promise.all([from.close(), to.close()])
    await rm(directory, { recursive: true, force: true })
  }
}

async function measureFolder(
  directory: string,
  from: DemoDevice,
  to: DemoDevice,
  { files = 10_000, size = 4096, large = 1024 * MiB }: FolderBenchOptions,
): Promise<Measurement[]> {
  const small = join(directory, 'small')
  await makeSmallFiles(small, files, size)
  const smallWork = `${files} files of ${size} bytes, device to device`
  const results = [
    measurement('small files', smallWork, files / (await sync(small, from, to)), 'files/s'),
    ...(await peaks(smallWork, from, to)),
  ]
  const file = join(directory, 'large')
  await makeLargeFile(file, large)
  const largeWork = `${large / MiB} MiB in one file, device to device`
  results.push(
    measurement('large file', largeWork, large / 1e6 / (await sync(file, from, to)), 'MB/s'),
    ...(await peaks(`${largeWork}, after the small files`, from, to)),
    ...(await measureRsync(directory, from, { files, large })),
  )
  const differences = compare(await walk(from.folder), await walk(to.folder))
  if (differences.length > 0) throw new Error(`the folders differ: ${differences.slice(0, 3).join(', ')}`)
  return results
}

/** Moves what was made elsewhere into the folder, so that making it is not measured. @returns seconds */
async function sync(path: string, from: DemoDevice, to: DemoDevice): Promise<number> {
  return await timed(async () => {
    await rename(path, join(from.folder, path.slice(path.lastIndexOf('/') + 1)))
    await from.settle()
    await to.settle()
  })
}

async function peaks(workload: string, ...devices: DemoDevice[]): Promise<Measurement[]> {
  if (process.platform !== 'linux') return []
  return Promise.all(
    devices.map(async ({ name, pid }) =>
      measurement(`peak memory of the ${name}`, workload, (await peakMemory(pid as number)) / MiB, 'MiB'),
    ),
  )
}

/** Nothing where it is not installed. */
async function measureRsync(
  directory: string,
  { folder }: DemoDevice,
  { files, large }: { files: number; large: number },
): Promise<Measurement[]> {
  const copy = (name: string) =>
    timed(() => promisify(execFile)('rsync', ['-a', '--fsync', join(folder, name), join(directory, 'copy/')]))
  try {
    const [small, one] = [await copy('small'), await copy('large')]
    return [
      measurement('rsync, small files', 'the same, without sealing', files / small, 'files/s'),
      measurement('rsync, large file', 'the same, without sealing', large / 1e6 / one, 'MB/s'),
    ]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

async function makeSmallFiles(directory: string, files: number, size: number): Promise<void> {
  for (let i = 0; i < files; i++) {
    const folder = join(directory, `folder-${Math.floor(i / FILES_IN_A_FOLDER)}`)
    if (i % FILES_IN_A_FOLDER === 0) await mkdir(folder, { recursive: true })
    await writeFile(join(folder, `file-${i}`), randomFillSync(new Uint8Array(size)))
  }
}

async function makeLargeFile(path: string, size: number): Promise<void> {
  const file = await open(path, 'wx')
  const piece = new Uint8Array(MiB)
  try {
    for (let at = 0; at < size; at += MiB)
      await file.write(randomFillSync(piece), 0, Math.min(MiB, size - at), at)
  } finally {
    await file.close()
  }
}
