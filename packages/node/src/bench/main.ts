import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openKeyValue } from '../stores/key-value.js'
import { sweepChunkSizes, syntheticPairs } from './chunk-sizes.js'
import { benchContent } from './content.js'
import { benchExchange, benchRawStream } from './exchange.js'
import { benchFolder } from './folder.js'
import { benchTree } from './tree.js'

/** `npm run bench -- NAME…`: each gives its figures as one line of JSON. */

const BENCHMARKS: Record<string, () => Promise<unknown[]>> = {
  'chunk-sizes': async () => sweepChunkSizes(syntheticPairs()),
  content: benchContent,
  folder: benchFolder,
  exchange: async () => [await benchRawStream(), await benchExchange()],
  tree: async () => [await withTemporaryIndex(benchTree)],
}

async function withTemporaryIndex<T>(
  work: (db: Awaited<ReturnType<typeof openKeyValue>>) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'peerfold-bench-'))
  const db = await openKeyValue(directory)
  try {
    return await work(db)
  } finally {
    await db.close()
    await rm(directory, { recursive: true, force: true })
  }
}

async function main(names: string[]): Promise<number> {
  const unknown = names.filter((name) => BENCHMARKS[name] === undefined)
  if (names.length === 0 || unknown.length > 0) {
    console.error(`USAGE: npm run bench -- NAME…, of ${Object.keys(BENCHMARKS).join(', ')}`)
    return 2
  }
  for (const name of names)
    for (const result of (await BENCHMARKS[name]?.()) ?? []) console.log(JSON.stringify(result))
  return 0
}

process.exitCode = await main(process.argv.slice(2))
