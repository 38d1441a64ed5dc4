import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { leftovers, removeLeftovers } from '../leftovers.mjs'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'peerfold-leftovers-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function write(...files: string[]) {
  for (const file of files) {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), '')
  }
}

test('what a deleted source left behind goes, everything else stays', () => {
  const kept = [
    'index.js',
    'index.js.map',
    'index.d.ts',
    'index.d.ts.map',
    'deep/a.js',
    '.tsbuildinfo',
    'wasm.bin',
  ]
  write('src/index.ts', 'src/deep/a.ts', ...kept.map((file) => `dist/${file}`))
  write('dist/gone.js', 'dist/gone.d.ts.map', 'dist/deep/gone.js')
  const gone = ['dist/deep/gone.js', 'dist/gone.d.ts.map', 'dist/gone.js'].map((file) => join(file))
  expect(leftovers(directory).sort()).toEqual(gone)
  removeLeftovers(directory)
  expect(leftovers(directory)).toEqual([])
  const files = readdirSync(join(directory, 'dist'), { recursive: true, encoding: 'utf8' })
  expect(files.filter((file) => file !== 'deep').sort()).toEqual(kept.map((file) => join(file)).sort())
})

test('a package that was never built has none', () => expect(leftovers(directory)).toEqual([]))
