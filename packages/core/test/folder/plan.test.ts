import { describe, expect, test } from 'vitest'
import type { DiskNode } from '../../src/folder/disk-tree.js'
import type { Fingerprint } from '../../src/folder/fingerprint.js'
import { IgnoreRules } from '../../src/folder/ignore.js'
import { MergedTree } from '../../src/folder/merged-tree.js'
import { POSIX_NAMES } from '../../src/folder/names.js'
import { makePlan, type Plan } from '../../src/folder/plan.js'
import { SyncedTree } from '../../src/folder/synced-tree.js'
import { ROOT_ITEM, type TreeEntry, type TreeReader } from '../../src/tree/types.js'
import { contentOf } from '../tree/replica.js'

/**
 * The planner is a pure function of three trees, written here as lists of `name` → what it is. Paths are one level deep in `d`-folders at most:
 * `a`: a file or folder in the root, `d/a`: one in the folder `d`. A file is its content; a folder is `/`. Inodes follow from the word after `#`.
 */
type Spec = Record<string, string>

const RULES = new IgnoreRules([{ source: '.peerfoldignore', text: '*.tmp\ncache/\n' }])
const WORLD = { now: 1_700_000_000_000, ignore: RULES, executables: true }

function print(inode: string, size: number, mtime = 1): Fingerprint {
  const ino = BigInt(
    `0x${[...new TextEncoder().encode(inode)].map((byte) => byte.toString(16)).join('') || '1'}`,
  )
  const times = { mtimeNs: BigInt(mtime), ctimeNs: BigInt(mtime), birthtimeNs: 7n }
  return { dev: 1n, ino, size, mode: 0o644, ...times }
}

/** `content#inode`; the inode is the path unless it is given. */
function parse(path: string, value: string) {
  const [content = '', inode = path] = value.split('#')
  return { content, inode, folder: content === '/' }
}

/** Equal contents have equal fingerprints but for the inode: what differs in content differs in time. */
const timeOf = (content: string): number =>
  1 + [...content].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 0)

function diskOf(spec: Spec): DiskNode {
  const root: DiskNode = node('', '/', '')
  for (const [path, value] of Object.entries(spec)) {
    const names = path.split('/')
    const parent = names.length === 1 ? root : root.listing!.children.get(names[0]!)!
    parent.listing!.children.set(names.at(-1)!, node(names.at(-1)!, value, path))
  }
  return root
}

function node(name: string, value: string, path: string): DiskNode {
  const { content, inode, folder } = parse(path, value)
  if (folder) {
    const listing = { children: new Map(), complete: true, opaque: new Map() }
    return { name, kind: 'folder', type: 'folder', print: print(inode, 0), seenAt: 0, listing }
  }
  return {
    name,
    kind: 'file',
    type: 'file',
    print: print(inode, content.length, timeOf(content)),
    seenAt: 0,
    plain: contentOf(content).plain,
  }
}

/** Items are named after the path they were made at, so that a spec for another tree can say `@path` for "the item of". */
function itemOf(path: string, value: string): string {
  return value.split('@')[1] ?? path
}

function syncedOf(spec: Spec): SyncedTree {
  const synced = new SyncedTree()
  for (const [path, value] of Object.entries(spec)) {
    const { content, inode, folder } = parse(path, value)
    const names = path.split('/')
    const parent = names.length === 1 ? ROOT_ITEM : names[0]!
    const name = names.at(-1)!
    const base = { item: path, parent, name, diskName: name, racy: false }
    if (folder) synced.put({ ...base, kind: 'folder', print: print(inode, 0) })
    else {
      const file = {
        version: content,
        content: contentOf(content),
        mtime: 0,
        type: 'file' as const,
        executable: false,
      }
      synced.put({ ...base, kind: 'file', print: print(inode, content.length, timeOf(content)), file })
    }
  }
  return synced
}

function mergedOf(spec: Spec): MergedTree {
  const merged = new MergedTree(undefined as unknown as TreeReader, POSIX_NAMES)
  const items = new Map(Object.entries(spec).map(([path, value]) => [path, itemOf(path, value)]))
  for (const [path, value] of Object.entries(spec)) {
    const [content = ''] = value.split('@')
    const names = path.split('/')
    const name = names.at(-1)!
    const parent = names.length === 1 ? ROOT_ITEM : items.get(names[0]!)!
    const head = {
      id: content,
      content: contentOf(content),
      mtime: 0,
      type: 'file' as const,
      executable: false,
    }
    const file = { ...head, size: head.content.size, basedOn: [], stamp: 1, time: 1, writer: 1, commit: '' }
    const folder = content === '/'
    const item = items.get(path)!
    const entry: TreeEntry = {
      item,
      kind: folder ? 'folder' : 'file',
      parent,
      name,
      recordName: name,
      heads: folder ? [] : [file],
      ghost: false,
      tag: content,
    }
    merged.set(item, entry)
  }
  return merged
}

function plan(disk: Spec, synced: Spec, merged: Spec): { publish: string[]; apply: string[] } {
  const made: Plan = makePlan(diskOf(disk), syncedOf(synced), mergedOf(merged), WORLD)
  const say = (action: { do: string; path: string; from?: string }) =>
    action.from === undefined ? `${action.do} ${action.path}` : `${action.do} ${action.from} → ${action.path}`
  return { publish: made.publish.map(say), apply: made.apply.map(say) }
}

const TABLE: Array<
  [what: string, disk: Spec, synced: Spec, merged: Spec, publish: string[], apply: string[]]
> = [
  ['all equal', { a: '1' }, { a: '1' }, { a: '1' }, [], []],
  ['new on disk', { a: '1' }, {}, {}, ['create a'], []],
  ['new in the workspace', {}, {}, { a: '1' }, [], ['create a']],
  ['a new folder with what it holds', { d: '/', 'd/a': '1' }, {}, {}, ['mkdir d', 'create d/a'], []],
  ['a new folder of others, parents first', {}, {}, { d: '/', 'd/a': '1' }, [], ['mkdir d', 'create d/a']],
  ['edited on disk', { a: '2' }, { a: '1' }, { a: '1' }, ['edit a'], []],
  [
    'edited by save-and-rename: the path beats the inode',
    { a: '2#other' },
    { a: '1' },
    { a: '1' },
    ['edit a'],
    [],
  ],
  ['edited by others', { a: '1' }, { a: '1' }, { a: '2' }, [], ['edit a']],
  ['edited by both: the disk speaks first', { a: '2' }, { a: '1' }, { a: '3' }, ['edit a'], []],
  ['removed on disk', {}, { a: '1' }, { a: '1' }, ['remove a'], []],
  ['removed by others', { a: '1' }, { a: '1' }, {}, [], ['remove a']],
  ['removed by others, edited here: not removed', { a: '2' }, { a: '1' }, {}, ['edit a'], []],
  [
    'removed here, edited by others: said first, then judged by the workspace',
    {},
    { a: '1' },
    { a: '2' },
    ['remove a'],
    [],
  ],
  ['moved on disk, by inode', { b: '1#a' }, { a: '1' }, { a: '1' }, ['move a → b'], []],
  ['moved on disk, by content', { b: '1#new' }, { a: '1' }, { a: '1' }, ['move a → b'], []],
  ['moved by others', { a: '1' }, { a: '1' }, { b: '1@a' }, [], ['move a → b']],
  ['moved here and edited there', { b: '1#a' }, { a: '1' }, { a: '2' }, ['move a → b'], ['edit a']],
  [
    'a folder renamed is one move',
    { e: '/#d', 'e/x': '1#d/x' },
    { d: '/', 'd/x': '1' },
    { d: '/', 'd/x': '1' },
    ['move d → e'],
    [],
  ],
  [
    'a folder renamed, with an edit in it',
    { e: '/#d', 'e/x': '2#d/x' },
    { d: '/', 'd/x': '1' },
    { d: '/', 'd/x': '1' },
    ['move d → e', 'edit e/x'],
    [],
  ],
  ['a removed folder is one removal', {}, { d: '/', 'd/x': '1' }, { d: '/', 'd/x': '1' }, ['remove d'], []],
  [
    'a folder removed by others, deepest first',
    { d: '/', 'd/x': '1' },
    { d: '/', 'd/x': '1' },
    {},
    [],
    ['remove d/x', 'remove d'],
  ],
  [
    'removed by others with something new in it: made again',
    { d: '/', 'd/x': '1', 'd/y': '2' },
    { d: '/', 'd/x': '1' },
    {},
    ['mkdir d', 'create d/y'],
    ['remove d/x'],
  ],
  ['a file that became a folder', { a: '/#new' }, { a: '1' }, { a: '1' }, ['mkdir a', 'remove a'], []],
  ['new on both sides under one name: the disk speaks first', { a: '1' }, {}, { a: '2' }, ['create a'], []],
]

describe('the planner', () => {
  for (const [what, disk, synced, merged, publish, apply] of TABLE)
    test(what, () => expect(plan(disk, synced, merged)).toEqual({ publish, apply }))

  test('plans no deletion from a directory that was not read to its end', () => {
    const disk = diskOf({ d: '/' })
    disk.listing!.children.get('d')!.listing!.complete = false
    const synced = syncedOf({ d: '/', 'd/x': '1' })
    expect(makePlan(disk, synced, mergedOf({ d: '/', 'd/x': '1' }), WORLD).publish).toEqual([])
    expect(makePlan(disk, synced, mergedOf({}), WORLD).apply).toEqual([])
  })

  test('changes nothing it is given, and says the same of the same', () => {
    const [disk, synced, merged] = [
      diskOf({ b: '2', d: '/' }),
      syncedOf({ a: '1', b: '1' }),
      mergedOf({ b: '3', c: '4' }),
    ]
    const first = makePlan(disk, synced, merged, WORLD)
    expect(makePlan(disk, synced, merged, WORLD)).toEqual(first)
  })
})
