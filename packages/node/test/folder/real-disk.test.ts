import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { eventually, realFolder } from './node-folder.js'

/** Content of everything but Peerfold's own state, by path. */
async function tree(directory: string, below = ''): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const entry of await fs.readdir(join(directory, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (path === '.peerfold') continue
    if (entry.isDirectory()) Object.assign(found, { [path]: '/' }, await tree(directory, path))
    else if (entry.isSymbolicLink()) found[path] = `-> ${await fs.readlink(join(directory, path))}`
    else found[path] = await fs.readFile(join(directory, path), 'utf8')
  }
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)))
}

describe('two folders of one workspace, on the real disk', () => {
  test('become equal without being asked, in both directions', async () => {
    await using left = await realFolder()
    await using right = await realFolder({ workspace: left.workspace })
    await fs.mkdir(left.path('a', 'b'), { recursive: true })
    await fs.writeFile(left.path('a', 'b', 'deep.txt'), 'deep')
    await fs.mkdir(left.path('empty'))
    await fs.symlink('a/b/deep.txt', left.path('link'))
    await eventually(async () => expect(await tree(right.directory)).toEqual(await tree(left.directory)))
    await fs.writeFile(right.path('a', 'b', 'deep.txt'), 'deeper')
    await fs.rename(right.path('a'), right.path('z'))
    await eventually(async () => {
      expect(await tree(left.directory)).toEqual({
        empty: '/',
        link: '-> a/b/deep.txt',
        z: '/',
        'z/b': '/',
        'z/b/deep.txt': 'deeper',
      })
    })
  })

  test('modes and times travel', async () => {
    await using left = await realFolder()
    await using right = await realFolder({ workspace: left.workspace })
    await fs.writeFile(left.path('run.sh'), '#!/bin/sh\n', { mode: 0o755 })
    await fs.utimes(left.path('run.sh'), 1_614_834_367.25, 1_614_834_367.25)
    await left.settled()
    await right.settled()
    const stat = await fs.stat(right.path('run.sh'))
    expect([stat.mode & 0o777, Math.floor(stat.mtimeMs)]).toEqual([0o755, 1_614_834_367_250])
    await fs.chmod(right.path('run.sh'), 0o644)
    await right.settled()
    await left.settled()
    expect((await fs.stat(left.path('run.sh'))).mode & 0o111).toBe(0)
    expect(Math.floor((await fs.stat(left.path('run.sh'))).mtimeMs)).toBe(1_614_834_367_250)
  })

  test('names of every kind', async () => {
    await using left = await realFolder()
    await using right = await realFolder({ workspace: left.workspace })
    const names = [
      'with space',
      'line\nbreak',
      '-rf',
      'émoji 👩‍👩‍👧.txt',
      'e\u0301',
      '\u00e9',
      'CON.txt',
      'a\\b',
      'f:ads',
      'trailing.',
      '..hidden',
      'x'.repeat(255),
      '%41',
    ]
    for (const name of names) await fs.writeFile(left.path(name), name)
    await left.settled()
    await right.settled()
    expect(await tree(right.directory)).toEqual(await tree(left.directory))
    expect(Object.keys(await tree(right.directory)).length).toBe(names.length)
  })
})

describe('how editors save', () => {
  const saves: Record<string, (path: string, text: string) => Promise<void>> = {
    'in place': (path, text) => fs.writeFile(path, text),
    'write beside, rename over (VS Code, atomic save)': async (path, text) => {
      await fs.writeFile(`${path}.tmp`, text)
      await fs.rename(`${path}.tmp`, path)
    },
    'rename away, write anew, remove the backup (vim)': async (path, text) => {
      await fs.rename(path, `${path}~`)
      await fs.writeFile(path, text)
      await fs.unlink(`${path}~`)
    },
    'remove, then write anew': async (path, text) => {
      await fs.unlink(path)
      await fs.writeFile(path, text)
    },
    'lock file, write beside, swap (LibreOffice)': async (path, text) => {
      await fs.writeFile(`${path}.lock#`, 'me')
      await fs.writeFile(`${path}.new`, text)
      await fs.rename(path, `${path}.bak`)
      await fs.rename(`${path}.new`, path)
      await fs.unlink(`${path}.bak`)
      await fs.unlink(`${path}.lock#`)
    },
  }
  for (const [style, save] of Object.entries(saves))
    test(`${style}: a new version of the same item`, async () => {
      await using folder = await realFolder()
      await fs.writeFile(folder.path('note.txt'), 'one')
      await folder.settled()
      const before = (await folder.workspace.tree.lookup(['note.txt']))!
      await save(folder.path('note.txt'), 'two!')
      await folder.settled()
      const after = (await folder.workspace.tree.lookup(['note.txt']))!
      expect(after.item).toBe(before.item)
      expect(new TextDecoder().decode(folder.workspace.bytesOf(after.heads[0]!.content))).toBe('two!')
      expect(after.heads.length).toBe(1)
    })
})
