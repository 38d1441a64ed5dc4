import { describe, expect, test } from 'vitest'
import { type SyncedEntry, SyncedTree } from '../../src/folder/synced-tree.js'
import { ROOT_ITEM } from '../../src/tree/types.js'

const PRINT = { dev: 1n, ino: 1n, size: 0, mtimeNs: 0n, ctimeNs: 0n, birthtimeNs: 0n, mode: 0o755 }

function folder(item: string, parent: string, diskName: string): SyncedEntry {
  return { item, kind: 'folder', parent, name: diskName, diskName, print: PRINT, racy: false }
}

function treeOf(...entries: SyncedEntry[]): SyncedTree {
  const tree = new SyncedTree()
  for (const entry of entries) tree.put(entry)
  tree.takeChanges()
  return tree
}

const pathsOf = (tree: SyncedTree) =>
  [...tree.entries()].map(({ item }) => `${item} ${tree.path(item)}`).sort()

describe('many changes of the synced tree at once', () => {
  test('exchange places', () => {
    const tree = treeOf(folder('1', ROOT_ITEM, 'a'), folder('2', ROOT_ITEM, 'b'))
    tree.apply([{ put: folder('1', ROOT_ITEM, 'b') }, { put: folder('2', ROOT_ITEM, 'a') }])
    expect(pathsOf(tree)).toEqual(['1 b', '2 a'])
  })

  test('forget who lost its place to another, with all below it, and say so to the journal', () => {
    const tree = treeOf(folder('1', ROOT_ITEM, 'a'), folder('2', ROOT_ITEM, 'b'), folder('3', '2', 'c'))
    tree.apply([{ put: folder('1', ROOT_ITEM, 'b') }])
    expect(pathsOf(tree)).toEqual(['1 b'])
    expect(tree.takeChanges()).toContainEqual({ drop: '2' })
    expect(tree.at('b')).toBe('1')
  })

  test('forget what lies in a folder that is dropped', () => {
    const tree = treeOf(folder('1', ROOT_ITEM, 'a'), folder('2', '1', 'b'))
    tree.apply([{ drop: '1' }])
    expect(pathsOf(tree)).toEqual([])
  })

  test('forget places that would go round in a circle', () => {
    const tree = treeOf(folder('1', ROOT_ITEM, 'a'), folder('2', '1', 'b'), folder('3', '2', 'c'))
    tree.apply([{ put: folder('1', '3', 'a') }])
    expect(pathsOf(tree)).toEqual([])
  })
})

describe('changes that could not be written', () => {
  test('come again, unless there are newer ones', () => {
    const tree = treeOf()
    tree.put(folder('1', ROOT_ITEM, 'a'))
    tree.put(folder('2', ROOT_ITEM, 'b'))
    const taken = tree.takeChanges()
    tree.put(folder('1', ROOT_ITEM, 'c'))
    tree.giveBack(taken)
    expect(tree.takeChanges()).toEqual([
      { put: folder('1', ROOT_ITEM, 'c') },
      { put: folder('2', ROOT_ITEM, 'b') },
    ])
  })
})
