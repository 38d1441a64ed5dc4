import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, type Rolldown } from 'vite'
import { expect, test } from 'vitest'
import { root } from '../bootstrap.mjs'

/** Every visitor loads it: the engine stays out of it. */
const BUDGET = 40 * 1024

const alias = [
  { find: /^@peerfold\/core\/(\w+)$/, replacement: join(root, 'packages/core/src/$1/index.ts') },
  { find: /^@peerfold\/core$/, replacement: join(root, 'packages/core/src/index.ts') },
]

test('a service worker that serves files is small, and holds no engine', async () => {
  const built = (await build({
    configFile: false,
    logLevel: 'silent',
    root,
    resolve: { alias },
    build: {
      write: false,
      target: 'es2023',
      rolldownOptions: {
        input: join(root, 'packages/browser/test/service-worker/files-worker.ts'),
        output: { codeSplitting: false },
      },
    },
  })) as Rolldown.RolldownOutput
  const [chunk, ...others] = built.output
  expect(others).toEqual([])
  expect(gzipSync(chunk.code).length).toBeLessThan(BUDGET)
  const packages = chunk.moduleIds.filter((id) => id.includes('node_modules'))
  expect(packages.map((id) => id.split('node_modules/').at(-1)?.split('/')[0])).toEqual(['mrmime'])
})
