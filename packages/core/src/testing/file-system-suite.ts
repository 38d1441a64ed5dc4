import { fromUtf8, toUtf8 } from '../encoding/bytes.js'
import { FileSystemError } from '../errors.js'
import type { FileSystem } from '../ports/file-system.js'
import { assertAborts, assertEqual, assertRejects, assertTrue } from './assert.js'
import type { SuiteRunner } from './runner.js'

export interface FileSystemFixture {
  files: FileSystem
  /** An existing empty directory. */
  root: string
  close(): Promise<void>
}

/** What every `FileSystem` must do for the folder engine to be safe on it. */
export function fileSystemSuite(
  { describe, test }: SuiteRunner,
  open: () => Promise<FileSystemFixture>,
): void {
  const check = (name: string, body: (at: Bench) => Promise<void>) =>
    test(name, async () => {
      const { files, root, close } = await open()
      try {
        await body(new Bench(files, root))
      } finally {
        await close()
      }
    })

  describe('a file system', () => {
    check('reads back what was written, at any position', async (at) => {
      const handle = await at.files.create(at.path('a'), 0o644)
      await handle.write(toUtf8('world'), 6)
      await handle.write(toUtf8('hello '), 0)
      await handle.sync()
      await handle.close()
      assertEqual(await at.read('a'), 'hello world')
      assertEqual((await at.files.lstat(at.path('a'))).size, 11)
    })

    check('makes holes by growing, and reads them as zeros', async (at) => {
      const handle = await at.files.create(at.path('a'), 0o644)
      await handle.truncate(10_000)
      await handle.close()
      assertTrue((await at.read('a')) === '\0'.repeat(10_000), 'all zeros')
    })

    check('creates only what is not there', async (at) => {
      await at.write('a', 'first')
      await at.refuses('EEXIST', at.files.create(at.path('a'), 0o644))
      assertEqual(await at.read('a'), 'first')
    })

    check('links never overwrite, and share the inode', async (at) => {
      await at.write('a', 'a')
      await at.write('b', 'b')
      await at.refuses('EEXIST', at.files.link(at.path('a'), at.path('b')))
      await at.files.link(at.path('a'), at.path('c'))
      const [one, two] = [await at.files.lstat(at.path('a')), await at.files.lstat(at.path('c'))]
      assertTrue(one.ino === two.ino && one.nlink === 2, 'one inode with two names')
      assertEqual(await at.read('b'), 'b')
    })

    check('renames over files, keeping the inode', async (at) => {
      await at.write('a', 'a')
      await at.write('b', 'b')
      const { ino } = await at.files.lstat(at.path('a'))
      await at.files.rename(at.path('a'), at.path('b'))
      assertTrue((await at.files.lstat(at.path('b'))).ino === ino, 'the inode moved')
      assertEqual(await at.names(), ['b'])
    })

    check('tells missing from failed, and names the error', async (at) => {
      await at.write('file', 'x')
      await at.refuses('ENOENT', at.files.lstat(at.path('none')))
      await at.refuses('ENOENT', at.files.openRead(at.path('none')))
      await at.refuses('ENOENT', at.files.readdir(at.path('none')))
      await at.refuses('ENOTDIR', at.files.readdir(at.path('file')))
      await at.refuses('ENOTDIR', at.files.lstat(at.path('file', 'below')))
    })

    check('lists directories whole, with every kind of name', async (at) => {
      const names = ['a b', '-rf', 'line\nbreak', 'é', 'e\u0301', '👩‍👩‍👧', 'x'.repeat(255), '..a']
      for (const name of names) await at.write(name, name)
      assertEqual(await at.names(), [...names].sort())
      await at.refuses('ENAMETOOLONG', at.files.create(at.path('x'.repeat(256)), 0o644))
    })

    check('removes directories only when they are empty', async (at) => {
      await at.files.mkdir(at.path('d'))
      await at.refuses('EEXIST', at.files.mkdir(at.path('d')))
      await at.write('d/x', 'x')
      const error = await assertRejects(at.files.rmdir(at.path('d')))
      assertTrue(
        error instanceof FileSystemError && ['ENOTEMPTY', 'EEXIST'].includes(error.errno),
        'not empty',
      )
      await at.files.unlink(at.path('d', 'x'))
      await at.files.rmdir(at.path('d'))
      assertEqual(await at.names(), [])
    })

    check('sees links as links, and opens none', async (at) => {
      await at.write('target', 'secret')
      await at.files.symlink('target', at.path('link'))
      await at.files.symlink('nowhere', at.path('dangling'))
      assertEqual((await at.files.lstat(at.path('link'))).type, 'symlink')
      assertEqual(await at.files.readlink(at.path('dangling')), 'nowhere')
      await at.refuses('ELOOP', at.files.openRead(at.path('link')))
    })

    check('keeps modes, and times to the millisecond', async (at) => {
      await at.write('a', 'a')
      await at.files.chmod(at.path('a'), 0o755)
      for (const time of [1_600_000_000_123, 1_600_000_000_999, 1_614_834_367_089, 0]) {
        const handle = await at.files.openRead(at.path('a'))
        await handle.utimes(time)
        const { mtimeNs } = await handle.stat()
        await handle.close()
        assertEqual(Number(mtimeNs / 1_000_000n), time)
        await at.files.utimes(at.path('a'), time + 1)
        assertEqual(Number((await at.files.lstat(at.path('a'))).mtimeNs / 1_000_000n), time + 1)
      }
      assertEqual((await at.files.lstat(at.path('a'))).mode, 0o755)
    })

    check('changes the fingerprint with every change', async (at) => {
      await at.write('a', 'a')
      const before = await at.files.lstat(at.path('a'))
      await at.files.chmod(at.path('a'), 0o600)
      const after = await at.files.lstat(at.path('a'))
      assertTrue(after.ctimeNs >= before.ctimeNs && after.mode !== before.mode, 'ctime and mode tell')
      assertTrue(after.mtimeNs === before.mtimeNs, 'mtime does not')
    })

    check('syncs directories, and joins paths', async (at) => {
      await at.files.syncDirectory(at.root)
      assertEqual(at.files.join(at.root, 'a', 'b'), `${at.path('a')}${at.path('x').at(-2)}b`)
    })

    check('honours an aborted signal', async (at) => {
      await at.write('a', 'a')
      await assertAborts((signal) => at.files.lstat(at.path('a'), { signal }))
      await assertAborts((signal) => at.files.readdir(at.root, { signal }))
      await assertAborts((signal) => at.files.openRead(at.path('a'), { signal }))
      await assertAborts((signal) => at.files.create(at.path('b'), 0o644, { signal }))
    })
  })
}

class Bench {
  constructor(
    readonly files: FileSystem,
    readonly root: string,
  ) {}

  path(...names: string[]): string {
    return this.files.join(this.root, ...names)
  }

  async write(path: string, value: string): Promise<void> {
    const handle = await this.files.create(this.path(...path.split('/')), 0o644)
    await handle.write(toUtf8(value), 0)
    await handle.close()
  }

  async read(path: string): Promise<string> {
    const handle = await this.files.openRead(this.path(path))
    const buffer = new Uint8Array(20_000)
    const count = await handle.read(buffer, 0)
    assertEqual(await handle.read(new Uint8Array(10), count), 0, 'zero at the end')
    await handle.close()
    return fromUtf8(buffer.subarray(0, count))
  }

  async names(): Promise<string[]> {
    return (await this.files.readdir(this.root)).map((entry) => entry.name).sort()
  }

  async refuses(errno: string, call: Promise<unknown>): Promise<void> {
    const error = await assertRejects(call, `should fail with ${errno}`)
    assertTrue(error instanceof FileSystemError, `a FileSystemError, not ${String(error)}`)
    assertEqual((error as FileSystemError).errno, errno)
  }
}
