import { type FSWatcher, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FileSystemError, type WatchHint } from '@peerfold/core'
import { describe, expect, test } from 'vitest'
import { watcherSuite } from '../../../core/src/testing/watcher-suite.js'
import { createDirectoryWatcher } from '../../src/file-system/directory-watcher.js'
import { createNodeWatcher } from '../../src/file-system/node-watcher.js'
import { watcherFixture } from './watcher-fixture.js'

watcherSuite({ describe, test }, () => watcherFixture(createNodeWatcher()))

describe('the directory watcher', () => {
  test('says that it could not watch when the system has no watches left', async () => {
    const at = await watcherFixture(
      createDirectoryWatcher({
        watch: () => {
          throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
        },
      }),
    )
    try {
      const error = await first(at.watcher.watch(at.root)).catch((error: unknown) => error)
      expect(error).toBeInstanceOf(FileSystemError)
      expect((error as FileSystemError).errno).toBe('ENOSPC')
    } finally {
      await at.close()
    }
  })

  test('takes a flood of events for an overflow', async () => {
    const at = await watcherFixture(createDirectoryWatcher({ overflowAt: 50 }))
    const stop = new AbortController()
    try {
      const hints = at.watcher.watch(at.root, {
        signal: stop.signal,
        // In one turn: however fast the disk, nobody empties the kernel's queue meanwhile.
        onReady: () => {
          for (let i = 0; i < 100; i++) writeFileSync(join(at.root, `f${i}`), 'x')
        },
      })
      for await (const hint of hints) if (hint.type === 'overflow') break
    } finally {
      stop.abort()
      await at.close()
    }
  })

  test('watches directories, not files', async () => {
    const { watch } = await import('node:fs')
    const watched: string[] = []
    const at = await watcherFixture(
      createDirectoryWatcher({
        watch: (path, options, listener): FSWatcher => {
          watched.push(path)
          return watch(path, options, listener)
        },
      }),
    )
    try {
      await at.mkdir('a/b')
      for (let i = 0; i < 10; i++) await at.write(`a/b/f${i}`, 'x')
      const stop = new AbortController()
      await first(at.watcher.watch(at.root, { signal: stop.signal, onReady: () => stop.abort() })).catch(
        () => {},
      )
      expect(watched.map((path) => path.slice(at.root.length))).toEqual(['', '/a', '/a/b'])
    } finally {
      await at.close()
    }
  })
})

async function first(hints: AsyncIterable<WatchHint>): Promise<WatchHint | undefined> {
  for await (const hint of hints) return hint
  return undefined
}
