import { describe, expect, test } from 'vitest'
import { createMemoryLogStore } from '../../src/testing/memory-log-store.js'
import { type Bench, bench, ROOT } from './harness.js'

/** A synced folder, then changes on both sides that meet every kind of action. */
async function scene(): Promise<Bench> {
  const b = await bench()
  await b.remote('edit.txt', 'edit 1')
  await b.remote('gone.txt', 'gone')
  await b.remote('both.txt', 'both 1')
  await b.remote('dir/moved.txt', 'moved')
  await b.remote('dir/sub/deep.txt', 'deep')
  await b.remote('swap1', 'one')
  await b.remote('swap2', 'two')
  await b.remote('mine.txt', 'mine 1')
  await b.settle()
  await b.remote('edit.txt', 'edit 2')
  await b.remoteRemove('gone.txt')
  await b.remote('both.txt', 'both theirs')
  await b.remoteMove('dir', 'renamed')
  await b.remoteMove('swap1', 'tmp')
  await b.remoteMove('swap2', 'swap1')
  await b.remoteMove('tmp', 'swap2')
  await b.remote('fresh/new.txt', 'new')
  b.write('both.txt', 'both mine')
  b.write('mine.txt', 'mine 2')
  b.write('local.txt', 'local')
  b.disk.user.mkdir(`${ROOT}/folder`)
  b.write('folder/inside.txt', 'inside')
  return b
}

const EXPECTED = {
  'both.txt': 'both mine',
  'edit.txt': 'edit 2',
  folder: '/',
  'folder/inside.txt': 'inside',
  fresh: '/',
  'fresh/new.txt': 'new',
  'local.txt': 'local',
  'mine.txt': 'mine 2',
  renamed: '/',
  'renamed/moved.txt': 'moved',
  'renamed/sub': '/',
  'renamed/sub/deep.txt': 'deep',
  swap1: 'two',
  swap2: 'one',
}

/** Runs the scene, kills it at one call, and starts again on what is left. Returns false when it ended before that call. */
async function killAt(b: Bench, call: number, what: 'before' | 'after'): Promise<boolean> {
  let calls = 0
  const disk = b.disk
  let next = disk
  disk.before = () => {
    if (++calls === call) next = disk.reopen()
  }
  const append = b.journal.append.bind(b.journal)
  b.journal.append = async (...args) => {
    const dead = next !== disk
    if (++calls === call) next = disk.reopen()
    if (dead || (next !== disk && what === 'before')) throw new Error('killed')
    const done = await append(...args)
    if (next !== disk) throw new Error('killed')
    return done
  }
  const survived = await b.settle().then(
    () => next === disk,
    () => false,
  )
  if (survived) return false
  const again = await bench({
    disk: next === disk ? disk.reopen() : next,
    workspace: b.workspace,
    journal: createMemoryLogStore(b.journal.snapshot()),
  })
  await again.settle()
  expect(again.onDisk()).toEqual(EXPECTED)
  expect(await again.inWorkspace()).toEqual(EXPECTED)
  expect(await again.heads('both.txt')).toEqual(['both mine', 'both theirs'])
  for (const path of Object.keys(EXPECTED))
    if (path !== 'both.txt') expect((await again.heads(path)).length, path).toBeLessThan(2)
  expect(again.disk.user.walk(`${ROOT}/.peerfold/tmp`)).toEqual([])
  return true
}

describe('killed at any call', () => {
  for (const what of ['before', 'after'] as const)
    test(`the next start finishes what was begun, and nothing is lost (journal dies ${what} it writes)`, {
      timeout: 120_000,
    }, async () => {
      let call = 1
      for (; ; call++) if (!(await step(call, what))) break
      expect(call).toBeGreaterThan(100)
    })
})

async function step(call: number, what: 'before' | 'after'): Promise<boolean> {
  try {
    return await killAt(await scene(), call, what)
  } catch (error) {
    throw new Error(`killed at call ${call}: ${(error as Error).message}`, { cause: error })
  }
}

describe('a journal that is lost or damaged', () => {
  test('lost: the folder is joined anew, and nothing is deleted on either side', async () => {
    const b = await bench()
    await b.remote('a', '1')
    await b.remote('b', '2')
    await b.settle()
    b.disk.user.remove(`${ROOT}/a`)
    await b.remoteRemove('b')
    b.write('c', '3')
    const again = await bench({ disk: b.disk.reopen(), workspace: b.workspace })
    await again.settle()
    expect(again.onDisk()).toEqual({ a: '1', b: '2', c: '3' })
  })
})
