import { fileURLToPath } from 'node:url'
import { playwright } from '@vitest/browser-playwright'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { findChromium } from './scripts/chromium.mjs'

const source = (path: string) => fileURLToPath(new URL(`./packages/${path}`, import.meta.url))

/** Tests run against the sources: no build is needed, and stack traces point at what one edits. */
const alias = [
  { find: /^@peerfold\/core\/(\w+)$/, replacement: source('core/src/$1/index.ts') },
  { find: /^@peerfold\/browser\/([\w-]+)$/, replacement: source('browser/src/$1/index.ts') },
  { find: /^@peerfold\/node\/(control|platform)$/, replacement: source('node/src/$1.ts') },
  { find: /^@peerfold\/(\w+)$/, replacement: source('$1/src/index.ts') },
]

const chromium = await findChromium()

const chromiumFlags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The IPFS compliance suites import a part of their build system that is not installed here. */
const ipfsSuites = {
  alias: { find: 'aegir/chai', replacement: source('core/test/aegir-chai.ts') },
  server: { deps: { inline: ['interface-blockstore-tests'] } },
}

/** Whole systems as processes, which wait for each other much of the time: the longest first. */
const SLOW = [
  'packages/node/test/e2e/',
  'packages/node/test/cli/',
  'packages/relay/test/cli.test.ts',
  'examples/drive/test/e2e/',
  'packages/node/test/',
  'packages/relay/test/',
]

/** What needs a processor all the time fills their gaps. Vitest would take one project after the other, and the largest file first. */
class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = SLOW.findIndex((path) => moduleId.includes(`/${path}`))
      return at < 0 ? SLOW.length : at
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

/** Projects do not inherit it. Generous: machines that test are busy. */
const testTimeout = 60_000

export default defineConfig({
  test: {
    // Two cores are busy with three: each waits now and then for what it has started.
    maxWorkers: 3,
    sequence: { sequencer: SlowestFirst },
    projects: [
      {
        resolve: { alias: [...alias, ipfsSuites.alias] },
        test: {
          name: 'core',
          isolate: false,
          environment: 'node',
          testTimeout,
          server: ipfsSuites.server,
          include: ['packages/core/test/**/*.test.ts'],
        },
      },
      {
        resolve: { alias: [...alias, ipfsSuites.alias] },
        test: {
          name: 'node',
          environment: 'node',
          testTimeout,
          server: ipfsSuites.server,
          include: [
            'packages/node/test/**/*.test.ts',
            'packages/relay/test/**/*.test.ts',
            // Node drives Chromium, and runs what the page talks to.
            'packages/browser/test/e2e/**/*.test.ts',
            'scripts/**/*.test.ts',
            'examples/*/test/**/*.test.ts',
          ],
        },
      },
      {
        resolve: { alias: [...alias, ipfsSuites.alias] },
        // Found anew each time: a dependency met in mid-run would reload the page under a test.
        optimizeDeps: {
          entries: [
            'packages/browser/test/**/*.test.ts',
            '!packages/browser/test/e2e/**',
            // What workers import is not found from the tests.
            'packages/browser/src/device/device-worker.ts',
          ],
          force: true,
        },
        test: {
          name: 'browser',
          testTimeout,
          include: ['packages/browser/test/**/*.test.ts'],
          exclude: ['packages/browser/test/e2e/**'],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions: { executablePath: chromium, args: chromiumFlags } }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
    ],
  },
})
