import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import semver from 'semver'
import { describe, expect, test } from 'vitest'
import { root } from '../bootstrap.mjs'

interface Locked {
  version?: string
  resolved?: string
  link?: boolean
  dev?: boolean
  license?: string
  hasInstallScript?: boolean
  engines?: { node?: string }
}

const lockfile: { packages: Record<string, Locked> } = JSON.parse(
  readFileSync(join(root, 'package-lock.json'), 'utf8'),
)
const external = Object.entries(lockfile.packages).filter(
  ([path, entry]) => path.includes('node_modules/') && !entry.link,
)
/** What comes with a published package. */
const shipped = external.filter(([, entry]) => !entry.dev)
const names = (entries: [string, Locked][]) => entries.map(([path]) => path.split('node_modules/').at(-1))

const PERMISSIVE = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'Unlicense',
  'BlueOak-1.0.0',
  'WTFPL',
]
const OLDEST_NODE = '20.19.0'

describe('what we ship depends only on', () => {
  test('permissive licences', () => {
    const allowed = (license = '') =>
      license.split(/ OR /).some((each) => PERMISSIVE.includes(each.replace(/[()]/g, '')))
    expect(names(shipped.filter(([, entry]) => !allowed(entry.license)))).toEqual([])
  })

  test('packages that need no install script', () => {
    // classic-level's only looks for the binaries that its package carries for each platform.
    expect(names(shipped.filter(([, entry]) => entry.hasInstallScript))).toEqual(['classic-level'])
  })

  test('packages that run on the oldest Node', () => {
    const tooNew = shipped.filter(
      ([, { engines }]) => engines?.node && !semver.satisfies(OLDEST_NODE, engines.node),
    )
    // libp2p's; they say 22 and these tests run them on 20.
    expect(names(tooNew)).toEqual(['nanoid', 'p-retry'])
  })
})

test('the lockfile works behind any registry', () => {
  expect(names(external.filter(([, entry]) => entry.resolved !== undefined))).toEqual([])
})
