import { describe, expect, test } from 'vitest'
import { nextSort, type Sort, sortItems } from '../src/files/sort.js'
import { item } from './items.js'

const items = [
  item('file 10.txt', { size: 1, mtime: new Date(3000) }),
  item('folder b', { kind: 'folder' }),
  item('File 9.txt', { size: 30, mtime: new Date(1000) }),
  item('folder a', { kind: 'folder' }),
  item('other.txt', { size: 30, mtime: new Date(2000) }),
]
const names = (sort: Sort) => sortItems(items, sort).map(({ name }) => name)

describe('items are sorted', () => {
  test('by name as people count, without regard to case, folders first', () => {
    expect(names({ key: 'name', descending: false })).toEqual([
      'folder a',
      'folder b',
      'File 9.txt',
      'file 10.txt',
      'other.txt',
    ])
  })

  test('downwards with folders still first', () => {
    expect(names({ key: 'name', descending: true })).toEqual([
      'folder b',
      'folder a',
      'other.txt',
      'file 10.txt',
      'File 9.txt',
    ])
  })

  test('by size, equals by name', () => {
    expect(names({ key: 'size', descending: true }).slice(2)).toEqual([
      'File 9.txt',
      'other.txt',
      'file 10.txt',
    ])
  })

  test('by time', () => {
    expect(names({ key: 'modified', descending: true }).slice(2)).toEqual([
      'file 10.txt',
      'other.txt',
      'File 9.txt',
    ])
  })
})

test('a column that is chosen again turns the order; newest and largest come first', () => {
  expect(nextSort({ key: 'name', descending: false }, 'name')).toEqual({ key: 'name', descending: true })
  expect(nextSort({ key: 'name', descending: false }, 'size')).toEqual({ key: 'size', descending: true })
  expect(nextSort({ key: 'size', descending: true }, 'name')).toEqual({ key: 'name', descending: false })
})
