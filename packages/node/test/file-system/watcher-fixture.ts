import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Watcher } from '@peerfold/core'
import type { WatcherFixture } from '../../../core/src/testing/watcher-suite.js'

/** A directory of its own for each test. */
export async function watcherFixture(watcher: Watcher): Promise<WatcherFixture> {
  const base = await fs.mkdtemp(join(tmpdir(), 'peerfold-watch-'))
  const root = join(base, 'root')
  await fs.mkdir(root)
  const at = (path: string) => join(root, path)
  return {
    watcher,
    root,
    mkdir: async (path) => void (await fs.mkdir(at(path), { recursive: true })),
    write: (path, text) => fs.writeFile(at(path), text),
    rename: (from, to) => fs.rename(at(from), at(to)),
    remove: (path) => fs.rm(at(path), { recursive: true }),
    moveIn: async (path) => {
      await fs.mkdir(join(base, 'outside'))
      await fs.writeFile(join(base, 'outside', 'inside'), 'x')
      await fs.rename(join(base, 'outside'), at(path))
      await fs.access(dirname(at(path)))
    },
    close: () => fs.rm(base, { recursive: true, force: true }),
  }
}
