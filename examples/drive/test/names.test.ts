import { describe, expect, test } from 'vitest'
import {
  baseName,
  freeName,
  isWithin,
  joinPath,
  nameProblem,
  parentPath,
  splitExtension,
  splitForDisplay,
} from '../src/files/names.js'

describe('paths', () => {
  test('are names joined by a slash; the root is empty', () => {
    expect(joinPath('', 'a')).toBe('a')
    expect(joinPath('a/b', 'c')).toBe('a/b/c')
    expect(parentPath('a/b/c')).toBe('a/b')
    expect(parentPath('a')).toBe('')
    expect(baseName('a/b/c')).toBe('c')
    expect(baseName('a')).toBe('a')
  })

  test('lie within a folder only at a whole name', () => {
    expect(isWithin('a/b', 'a')).toBe(true)
    expect(isWithin('a', 'a')).toBe(true)
    expect(isWithin('ab', 'a')).toBe(false)
    expect(isWithin('anything', '')).toBe(true)
  })
})

describe('a name', () => {
  test.each([
    ['letter.txt', ['letter', '.txt']],
    ['archive.tar.gz', ['archive.tar', '.gz']],
    ['.gitignore', ['.gitignore', '']],
    ['README', ['README', '']],
  ])('%s is split into stem and extension', (name, parts) => {
    expect(splitExtension(name)).toEqual(parts)
  })

  test('that is taken gets the first number that is free, before its extension', () => {
    expect(freeName('a.txt', new Set())).toBe('a.txt')
    expect(freeName('a.txt', new Set(['a.txt']))).toBe('a (2).txt')
    expect(freeName('a.txt', new Set(['a.txt', 'a (2).txt']))).toBe('a (3).txt')
    expect(freeName('notes', new Set(['notes']))).toBe('notes (2)')
  })

  test('is refused with a reason', () => {
    const taken = new Set(['there'])
    expect(nameProblem('new', taken)).toBeUndefined()
    expect(nameProblem('', taken)).toMatch(/needed/)
    expect(nameProblem('..', taken)).toMatch(/folder itself/)
    expect(nameProblem('a/b', taken)).toMatch(/“\/”/)
    expect(nameProblem('ä'.repeat(511), taken)).toMatch(/too long/)
    expect(nameProblem('there', taken)).toMatch(/already/)
  })

  test('that is long keeps its end in sight, and is whole again when joined', () => {
    const name = 'A very long name of a scanned document (2024-03-01) 🗂.pdf'
    const [head, tail] = splitForDisplay(name)
    expect(tail).toBe('03-01) 🗂.pdf'.slice(-11))
    expect(head + tail).toBe(name)
    expect(splitForDisplay('short.txt')).toEqual(['short.txt', ''])
  })
})
