import type { FolderIssue, FolderPlan, FolderStatus, FolderSync } from '@peerfold/core'
import { describe, expect, test } from 'vitest'
import { untilRead } from '../../src/service/until-read.js'

/** A folder that is never settled, where `left` are the files that are to be published yet. */
function folderWith(left: string[], issues: FolderIssue[], error?: FolderStatus['error']): FolderSync {
  const status: FolderStatus = {
    state: error === undefined ? 'syncing' : 'error',
    pending: { files: left.length, bytes: 0 },
    awaiting: [],
    issues,
    error,
  }
  const publish = left.map((path) => ({ do: 'create' as const, path, bytes: 0 }))
  return {
    directory: '/files',
    on: (_: 'status', listen: (status: FolderStatus) => void) => {
      queueMicrotask(() => listen(status))
      return () => {}
    },
    plan: async (): Promise<FolderPlan> => ({ publish, apply: [], removals: 0, braked: false }),
    settled: ({ signal }: { signal: AbortSignal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  } as unknown as FolderSync
}

const unreadable = (path: string) => ({ path, code: 'IO_FAILED', message: 'EACCES' })

/** The code that it ends with, or that of whoever grows tired of waiting. */
async function endOf(...[left, issues, error]: Parameters<typeof folderWith>): Promise<string> {
  const tired = new AbortController()
  const ended = untilRead(folderWith(left, issues, error), tired.signal).catch((error) => error)
  // All that it looks at is there at once.
  for (let i = 0; i < 20; i++) await Promise.resolve()
  tired.abort({ code: 'STILL_WAITING' })
  return (await ended).code
}

describe('waiting until a folder is read', () => {
  test('ends when the store is full', async () => {
    expect(await endOf(['a', 'b'], [{ path: 'a', code: 'STORE_FULL', message: 'ENOSPC' }])).toBe('STORE_FULL')
  })

  test('ends when the folder is one that cannot be synced', async () => {
    expect(await endOf([], [], { code: 'FOLDER_MISSING', message: "can't be read" })).toBe('FOLDER_MISSING')
  })

  test('ends when nothing is left but what cannot be read', async () => {
    expect(await endOf(['a', 'b'], [unreadable('a'), unreadable('b')])).toBe('IO_FAILED')
  })

  test('ends with what could not be read when all that could be is', async () => {
    const folder = folderWith([], [unreadable('folder')])
    const settled = { ...folder, settled: () => new Promise<void>((resolve) => setImmediate(resolve)) }
    await expect(untilRead(settled, new AbortController().signal)).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: 'folder: EACCES',
    })
  })

  test('goes on while anything else is left', async () => {
    expect(await endOf(['a', 'b'], [unreadable('a')])).toBe('STILL_WAITING')
    expect(await endOf(['a'], [unreadable('folder')])).toBe('STILL_WAITING')
    expect(await endOf([], [unreadable('folder')])).toBe('STILL_WAITING')
    expect(await endOf(['a'], [{ path: 'a', code: 'FILE_BUSY', message: 'written to' }])).toBe(
      'STILL_WAITING',
    )
  })
})
