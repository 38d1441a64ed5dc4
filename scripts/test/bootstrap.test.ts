import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isInstalled, missingPackages } from '../bootstrap.mjs'

const wanted = {
  packages: {
    '': { version: '0.0.0' },
    'packages/core': { version: '0.0.0' },
    'node_modules/@peerfold/core': { link: true },
    'node_modules/yjs': { version: '13.6.33' },
    'node_modules/a/node_modules/b': { version: '1.0.0' },
    'node_modules/tool-for-another-platform': { version: '1.0.0', optional: true },
  },
}
const { 'node_modules/tool-for-another-platform': _, ...complete } = wanted.packages

describe('missingPackages', () => {
  test('is empty when all is there', () =>
    expect(missingPackages(wanted, { packages: complete })).toEqual([]))

  test('names what is absent or of another version', () => {
    const installed = { ...complete, 'node_modules/yjs': { version: '13.6.32' } } as Record<string, object>
    delete installed['node_modules/a/node_modules/b']
    expect(missingPackages(wanted, { packages: installed })).toEqual(['yjs', 'a/node_modules/b'])
  })

  test('names a workspace that was added', () => {
    const { 'node_modules/@peerfold/core': _link, ...installed } = complete
    expect(missingPackages(wanted, { packages: installed })).toEqual(['@peerfold/core'])
  })
})

describe('isInstalled', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'peerfold-bootstrap-'))
    writeFileSync(join(directory, 'package-lock.json'), JSON.stringify(wanted))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  test('is false in a fresh clone', () => expect(isInstalled(directory)).toBe(false))

  test('is true after a complete installation', () => {
    mkdirSync(join(directory, 'node_modules'))
    writeFileSync(
      join(directory, 'node_modules', '.package-lock.json'),
      JSON.stringify({ packages: complete }),
    )
    expect(isInstalled(directory)).toBe(true)
  })
})
