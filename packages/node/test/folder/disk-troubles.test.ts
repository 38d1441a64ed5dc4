import * as fs from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import type { RealFolder } from './node-folder.js'
import { becomeEqual, contents, eventually, realFolder } from './node-folder.js'

async function pair(): Promise<{ left: RealFolder; right: RealFolder } & AsyncDisposable> {
  const left = await realFolder()
  const right = await realFolder({ workspace: left.workspace })
  return {
    left,
    right,
    [Symbol.asyncDispose]: async () => {
      await left[Symbol.asyncDispose]()
      await right[Symbol.asyncDispose]()
    },
  }
}

/** The items at some paths. */
function items({ workspace }: RealFolder, ...paths: string[]): Promise<Array<string | undefined>> {
  return Promise.all(paths.map(async (path) => (await workspace.tree.lookup(path.split('/')))?.item))
}

describe('a directory that a file takes the place of, and back', () => {
  test('is that on the other side, too', async () => {
    await using both = await pair()
    const { left, right } = both
    await fs.mkdir(left.path('x', 'below'), { recursive: true })
    await fs.writeFile(left.path('x', 'below', 'deep'), 'deep')
    await fs.writeFile(left.path('x', 'a'), 'a')
    await becomeEqual(left, right)
    await fs.rm(left.path('x'), { recursive: true })
    await fs.writeFile(left.path('x'), 'a file now')
    await becomeEqual(left, right)
    expect(await contents(right.directory)).toEqual({ x: 'a file now' })
    await fs.unlink(left.path('x'))
    await fs.mkdir(left.path('x'))
    await fs.writeFile(left.path('x', 'a'), 'a again')
    await becomeEqual(left, right)
    expect(await contents(right.directory)).toEqual({ x: '/', 'x/a': 'a again' })
  })

  test('what the other side wrote in it meanwhile is kept beside the file', async () => {
    await using both = await pair()
    const { left, right } = both
    await fs.mkdir(left.path('x'))
    await fs.writeFile(left.path('x', 'old'), 'old')
    await fs.writeFile(left.path('x', 'edited'), 'before')
    await becomeEqual(left, right)
    await Promise.all([left.sync.pause(), right.sync.pause()])
    await fs.rm(left.path('x'), { recursive: true })
    await fs.writeFile(left.path('x'), 'a file now')
    await fs.writeFile(right.path('x', 'new'), 'new')
    await fs.writeFile(right.path('x', 'edited'), 'after')
    await Promise.all([left.sync.resume(), right.sync.resume()])
    await becomeEqual(left, right)
    const found = Object.values(await contents(left.directory))
    for (const content of ['a file now', 'new', 'after']) expect(found).toContain(content)
    expect(found).not.toContain('old')
  })

  test('a directory that was moved away and replaced by a file of its name is a move and a new file', async () => {
    await using both = await pair()
    const { left, right } = both
    await fs.mkdir(left.path('x'))
    await fs.writeFile(left.path('x', 'a'), 'a')
    await becomeEqual(left, right)
    const before = await items(left, 'x', 'x/a')
    await fs.rename(left.path('x'), left.path('kept'))
    await fs.writeFile(left.path('x'), 'a file now')
    await becomeEqual(left, right)
    expect(await contents(right.directory)).toEqual({ kept: '/', 'kept/a': 'a', x: 'a file now' })
    expect(await items(left, 'kept', 'kept/a')).toEqual(before)
  })
})

describe('a name of which only the case changes', () => {
  test('files and folders stay the items that they are, on both sides', async () => {
    await using both = await pair()
    const { left, right } = both
    await fs.mkdir(left.path('photos'))
    await fs.writeFile(left.path('photos', 'img.jpg'), 'image')
    await fs.writeFile(left.path('readme.md'), 'text')
    await becomeEqual(left, right)
    const before = await items(left, 'photos', 'photos/img.jpg', 'readme.md')
    right.activities.length = 0
    await fs.rename(left.path('readme.md'), left.path('README.md'))
    await fs.rename(left.path('photos', 'img.jpg'), left.path('photos', 'IMG.JPG'))
    await fs.rename(left.path('photos'), left.path('Photos'))
    await becomeEqual(left, right)
    expect(Object.keys(await contents(right.directory))).toEqual(['Photos', 'Photos/IMG.JPG', 'README.md'])
    expect(await items(left, 'Photos', 'Photos/IMG.JPG', 'README.md')).toEqual(before)
    expect(new Set(right.activities.map(({ action }) => action))).toEqual(new Set(['move']))
    await fs.rename(right.path('README.md'), right.path('Readme.md'))
    await becomeEqual(left, right)
    expect(await items(left, 'Readme.md')).toEqual([before[2]])
  })
})

describe('an empty directory where the folder was, as an unmounted disk leaves it', () => {
  test('is not filled, and nothing counts as deleted; what others made meanwhile comes when the folder is back', async () => {
    await using both = await pair()
    const { left, right } = both
    await fs.mkdir(left.path('d'))
    await fs.writeFile(left.path('d', 'a'), 'a')
    await becomeEqual(left, right)
    await fs.rename(left.directory, `${left.directory}-away`)
    await fs.mkdir(left.directory)
    await eventually(() =>
      left.settled().then(
        () => expect.unreachable(),
        (error: { code?: string }) => expect(error.code).toBe('FOLDER_MISSING'),
      ),
    )
    await fs.writeFile(right.path('d', 'b'), 'b')
    await right.settled()
    expect(await fs.readdir(left.directory)).toEqual([])
    expect(Object.keys(await contents(right.directory))).toEqual(['d', 'd/a', 'd/b'])
    await fs.rmdir(left.directory)
    await fs.rename(`${left.directory}-away`, left.directory)
    await eventually(() => becomeEqual(left, right))
    expect(Object.keys(await contents(left.directory))).toEqual(['d', 'd/a', 'd/b'])
  })
})
