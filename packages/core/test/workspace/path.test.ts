import { describe, expect, test } from 'vitest'
import { formatPath, isWithin, parseItemPath, parsePath } from '../../src/workspace/path.js'

describe('paths', () => {
  test('are names joined by slashes, with or without one at either end', () => {
    expect(parsePath('a/b c/d.txt')).toEqual(['a', 'b c', 'd.txt'])
    expect(parsePath('/a/b/')).toEqual(['a', 'b'])
    expect(parsePath('')).toEqual([])
    expect(parsePath('/')).toEqual([])
    expect(formatPath(parsePath('/a/b/'))).toBe('a/b')
  })

  test.each(['a//b', '.', '..', 'a/../b', './a', 'a/.', 'a\0b', '//'])('refuses %j', (path) => {
    expect(() => parsePath(path)).toThrow(expect.objectContaining({ code: 'PATH_INVALID' }))
  })

  test('names that only look odd are names', () => {
    for (const name of ['...', ' ', '-rf', 'a\\b', 'CON.txt', '~', 'a\nb', '🎉'])
      expect(parsePath(name)).toEqual([name])
  })

  test('the root is no item', () => {
    expect(() => parseItemPath('')).toThrow(expect.objectContaining({ code: 'PATH_INVALID' }))
    expect(parseItemPath('a/b')).toEqual({ parent: ['a'], name: 'b', names: ['a', 'b'] })
  })

  test('a folder holds itself and what lies below, not what begins alike', () => {
    expect(isWithin('a', 'a')).toBe(true)
    expect(isWithin('a', 'a/b')).toBe(true)
    expect(isWithin('a', 'ab')).toBe(false)
    expect(isWithin('', 'anything')).toBe(true)
  })
})
