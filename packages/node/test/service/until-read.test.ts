import type { FolderIssue, FolderPlan, FolderStatus, FolderSync } from '@peerfold/core'
import { describe, expect, test } from 'vitest'
import { untilRead } from '../../src/service/until-read.js'

/** A folder that is never settled, where `left` are the files that are to be published yet. */
function folderWith(left: string[], issues: FolderIssue[]): FolderSync {
  const status: FolderStatus = {
    state: 'syncing',
    pending: { files: left.length, bytes: 0 },
    awaiting: [],
    issues,
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
async function endOf(left: string[], issues: FolderIssue[]): Promise<string> {
  const tired = new AbortController()
  const ended = untilRead(folderWith(left, issues), tired.signal).catch((error) => error)
  // All that it looks at is there at once.
  for (let i = 0; i < 20; i++) await Promise.resolve()
  tired.abort({ code: 'STILL_WAITING' })
  return (await ended).code
}

describe('waiting until a folder is read', () => {
  test('ends when the store is full', async () => {
    expect(await endOf(['a', 'b'], [{ path: 'a', code: 'STORE_FULL', message: 'ENOSPC' }])).toBe('STORE_FULL')
  })

  test('ends when nothing is left but what cannot be read', async () => {
    expect(await endOf(['a', 'b'], [unreadable('a'), unreadable('b')])).toBe('IO_FAILED')
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
