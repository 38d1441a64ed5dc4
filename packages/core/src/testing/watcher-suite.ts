import { systemClock } from '../platform/system-clock.js'
import type { Watcher, WatchHint, WatchOptions } from '../ports/watcher.js'
import { assertTrue, fail } from './assert.js'
import type { SuiteRunner } from './runner.js'

/** A real directory to watch and to change. Paths are relative to `root`, `/`-separated. */
export interface WatcherFixture {
  watcher: Watcher
  root: string
  mkdir(path: string): Promise<void>
  write(path: string, text: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Makes a directory with a file `inside` elsewhere on the same file system, and moves it in. */
  moveIn(path: string): Promise<void>
  close(): Promise<void>
}

const DEADLINE_MS = 10_000

/**
 * What every `Watcher` must do. A hint may come more than once and may name too much, but after any change to an entry of a directory there must
 * come a hint for that directory, for one above it that was new, or an overflow.
 */
export function watcherSuite({ describe, test }: SuiteRunner, open: () => Promise<WatcherFixture>): void {
  describe('a watcher', () => {
    test('tells of files made, written and removed', async () => {
      await watching(open, async (at, seen) => {
        for (const change of [() => at.write('a', '1'), () => at.write('a', '22'), () => at.remove('a')]) {
          seen.clear()
          await change()
          await seen.covers('')
        }
      })
    })

    test('tells of changes deep down', async () => {
      await watching(
        open,
        async (at, seen) => {
          await at.write('a/b/c/file', 'changed')
          await seen.covers('a/b/c')
        },
        async (at) => {
          await at.mkdir('a/b/c')
          await at.write('a/b/c/file', 'first')
        },
      )
    })

    test('tells of directories made at once with what they hold', async () => {
      await watching(open, async (at, seen) => {
        for (let i = 0; i < 10; i++) {
          await at.mkdir(`new${i}/deep/deeper`)
          await at.write(`new${i}/deep/deeper/file`, 'x')
        }
        for (let i = 0; i < 10; i++) await seen.covers(`new${i}/deep/deeper`)
        seen.clear()
        await at.write('new5/deep/deeper/file', 'later')
        await seen.covers('new5/deep/deeper')
      })
    })

    test('tells of an edit deep in a renamed directory, under its new path', async () => {
      await watching(
        open,
        async (at, seen) => {
          await at.rename('old', 'renamed')
          await seen.covers('')
          await seen.rest()
          seen.clear()
          await at.write('renamed/x/y/file', 'edited')
          await seen.covers('renamed/x/y')
        },
        async (at) => {
          await at.mkdir('old/x/y')
          await at.write('old/x/y/file', 'first')
        },
      )
    })

    test('tells of a directory that takes the place of another', async () => {
      await watching(
        open,
        async (at, seen) => {
          await at.rename('a', 'gone')
          await at.rename('b', 'a')
          await seen.covers('')
          await seen.rest()
          seen.clear()
          await at.write('a/x/file', 'edited')
          await seen.covers('a/x')
        },
        async (at) => {
          for (const name of ['a', 'b']) {
            await at.mkdir(`${name}/x`)
            await at.write(`${name}/x/file`, name)
          }
        },
      )
    })

    test('tells of a tree moved in from elsewhere, and of what happens in it then', async () => {
      await watching(open, async (at, seen) => {
        await at.moveIn('moved')
        await seen.covers('')
        await seen.rest()
        seen.clear()
        await at.write('moved/inside', 'edited')
        await seen.covers('moved')
      })
    })

    test('misses none of many files in many directories', async () => {
      await watching(open, async (at, seen) => {
        for (let d = 0; d < 20; d++) {
          await at.mkdir(`d${d}`)
          for (let f = 0; f < 20; f++) await at.write(`d${d}/f${f}`, `${f}`)
        }
        for (let d = 0; d < 20; d++) await seen.covers(`d${d}`)
      })
    })

    test('says nothing of directories that it is told to skip', async () => {
      await watching(
        open,
        async (at, seen) => {
          await at.write('skipped/deep/deeper/x', 'unseen')
          await at.write('other', 'y')
          await seen.covers('')
          assertTrue(
            ![...seen.directories].some((path) => path.startsWith('skipped/deep')),
            'what is skipped is no news',
          )
        },
        (at) => at.mkdir('skipped/deep/deeper'),
        { skips: (directory) => directory === 'skipped/deep' },
      )
    })

    test('ends when aborted, with the reason', async () => {
      const at = await open()
      const stop = new AbortController()
      const reason = new Error('enough')
      try {
        const ended = consume(
          at.watcher.watch(at.root, { signal: stop.signal, onReady: () => stop.abort(reason) }),
          () => {},
        )
        const error = await ended.then(
          () => undefined,
          (error: unknown) => error,
        )
        assertTrue(error === reason, 'rejects with the signal’s reason')
      } finally {
        await at.close()
      }
    })
  })
}

/** Directories that hints named since `clear`. */
class Seen {
  readonly directories = new Set<string>()
  overflow = false
  #count = 0

  add(hint: WatchHint): void {
    this.#count++
    if (hint.type === 'overflow') this.overflow = true
    else this.directories.add(hint.directory)
  }

  clear(): void {
    this.directories.clear()
    this.overflow = false
  }

  /** Waits for a hint that makes a scanner look into `directory`. */
  async covers(directory: string): Promise<void> {
    await until(() => this.overflow || this.directories.has(directory), `a hint for "${directory}"`)
  }

  /** Waits until no hints have come for a while. */
  async rest(): Promise<void> {
    for (let before = -1; before !== this.#count; ) {
      before = this.#count
      await pause(150)
    }
  }
}

async function watching(
  open: () => Promise<WatcherFixture>,
  body: (at: WatcherFixture, seen: Seen) => Promise<void>,
  before: (at: WatcherFixture) => Promise<void> = async () => {},
  options: Pick<WatchOptions, 'skips'> = {},
): Promise<void> {
  const at = await open()
  const stop = new AbortController()
  const seen = new Seen()
  try {
    await before(at)
    let ready = false
    const hints = at.watcher.watch(at.root, {
      ...options,
      signal: stop.signal,
      onReady: () => (ready = true),
    })
    const consumed = consume(hints, (hint) => seen.add(hint)).catch((error: unknown) => {
      if (!stop.signal.aborted) throw error
    })
    await until(() => ready, 'readiness')
    await seen.rest()
    seen.clear()
    await body(at, seen)
    stop.abort()
    await consumed
  } finally {
    stop.abort()
    await at.close()
  }
}

async function consume(hints: AsyncIterable<WatchHint>, take: (hint: WatchHint) => void): Promise<void> {
  for await (const hint of hints) take(hint)
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  while (!condition()) {
    if (Date.now() > deadline) fail(`waited in vain for ${what}`)
    await pause(5)
  }
}

/** Watchers live in real time: no simulated clock moves the kernel. */
function pause(ms: number): Promise<void> {
  return systemClock.sleep(ms)
}
