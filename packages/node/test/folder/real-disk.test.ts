import * as fs from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { eventually, realFolder, contents as tree } from './node-folder.js'

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
