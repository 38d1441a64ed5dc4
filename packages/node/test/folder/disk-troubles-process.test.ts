import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Command, startCommand } from '../cli/command.js'
import { ask, rows } from './control.js'
import { canMount, giveAway, type Mounts, makeMounts, WITHOUT_PRIVILEGES } from './namespaces.js'
import { contents, eventually } from './node-folder.js'

interface Shown {
  state: string
  error?: { code: string }
  issues: Array<{ path: string; code: string }>
}

let directory: string
let folder: string
let home: string
let running: Command | undefined

beforeEach(async () => {
  directory = await fs.mkdtemp(join(tmpdir(), 'peerfold-troubles-'))
  folder = join(directory, 'files')
  home = join(directory, 'home')
  await fs.mkdir(folder)
})

afterEach(async () => {
  running?.child.kill()
  await running?.ended
  running = undefined
  await fs.rm(directory, { recursive: true, force: true })
})

async function command(through: string[], ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await startCommand(home, ['--json', ...args], '', through).ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

/** A device with the folder, that runs on. */
async function start(through: string[]): Promise<void> {
  await command(through, 'init', '--name', 'laptop')
  await command(through, 'add', folder)
  running = startCommand(
    home,
    ['--json', 'start', '--listen', '/ip4/127.0.0.1/tcp/0', '--no-mdns'],
    '',
    through,
  )
  expect(await running.line()).toMatchObject({ type: 'ready' })
}

async function listed(): Promise<string[]> {
  return (await rows<{ path: string }>(home, 'ls', { recursive: true })).map(({ path }) => path).sort()
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await rows<{ size: number }>(home, 'ls', { path }))[0]?.size
}

async function shown(): Promise<Shown> {
  const { workspaces } = (await ask(home, 'status')) as { workspaces: [Shown] }
  return workspaces[0]
}

const FILES = ['a.txt', 'deep', 'deep/b.txt', 'deep/c.txt']

async function fill(at: string): Promise<void> {
  await fs.mkdir(join(at, 'deep'))
  for (const path of ['a.txt', 'deep/b.txt', 'deep/c.txt']) await fs.writeFile(join(at, path), path)
}

/** Alone, a device that has nothing left to do is `offline`. */
async function expectState(state: 'offline' | 'error', code?: string): Promise<void> {
  await eventually(async () => {
    const status = await shown()
    expect([status.state, status.error?.code]).toEqual([state, code])
  }, 30_000)
}

describe('the file system of the folder is unmounted', () => {
  /** How it goes and comes back: by mounts where the system allows them to us, else by renaming, which is the same to the folder's engine. */
  interface Means extends AsyncDisposable {
    through: string[]
    /** The folder as it is seen by the device. */
    folder: string
    hide(): Promise<void>
    show(): Promise<void>
  }

  async function covered(mounts: Mounts): Promise<Means> {
    return {
      through: mounts.through,
      folder: mounts.at(folder),
      hide: () => mounts.run('mount', '-t', 'tmpfs', 'none', folder),
      show: () => mounts.run('umount', folder),
      [Symbol.asyncDispose]: () => mounts[Symbol.asyncDispose](),
    }
  }

  /** The folder is a file system of its own. What it held is there again when it is mounted again, as with a disk that was unplugged. */
  async function unmounted(mounts: Mounts): Promise<Means> {
    const [saved, ready] = [join(directory, 'saved'), join(directory, 'ready')]
    await fs.mkdir(ready)
    await mounts.run('mount', '--make-rprivate', '/')
    await mounts.run('mount', '-t', 'tmpfs', 'none', folder)
    return {
      ...(await covered(mounts)),
      hide: async () => {
        await mounts.run('cp', '-a', folder, saved)
        await mounts.run('umount', folder)
      },
      show: async () => {
        await mounts.run('mount', '-t', 'tmpfs', 'none', ready)
        await mounts.run('cp', '-a', `${saved}/.`, ready)
        await mounts.run('mount', '--move', ready, folder)
      },
    }
  }

  async function renamed(): Promise<Means> {
    return {
      through: [],
      folder,
      hide: async () => {
        await fs.rename(folder, `${folder}-away`)
        await fs.mkdir(folder)
      },
      show: async () => {
        await fs.rm(folder, { recursive: true })
        await fs.rename(`${folder}-away`, folder)
      },
      [Symbol.asyncDispose]: async () => {},
    }
  }

  const means: Array<[string, () => Promise<Means>]> = canMount()
    ? [
        ['another is mounted over it', async () => covered(await makeMounts())],
        ['it is a mount of its own', async () => unmounted(await makeMounts())],
      ]
    : [['it is renamed away', renamed]]

  test.each(means)(
    '%s: FOLDER_MISSING, nothing is deleted, and it goes on when it is back',
    async (_, make) => {
      await using device = await make()
      await fill(device.folder)
      await start(device.through)
      expect(await listed()).toEqual(FILES)

      await device.hide()
      await expectState('error', 'FOLDER_MISSING')
      await ask(home, 'rm', { path: 'deep/c.txt' })
      await fs.writeFile(join(device.folder, 'stray.txt'), 'on the disk below')
      await expectState('error', 'FOLDER_MISSING')
      expect(await listed()).toEqual(['a.txt', 'deep', 'deep/b.txt'])
      expect(await fs.readdir(device.folder)).toEqual(['stray.txt'])

      await fs.unlink(join(device.folder, 'stray.txt'))
      await device.show()
      await expectState('offline')
      expect(await contents(device.folder)).toEqual({
        'a.txt': 'a.txt',
        deep: '/',
        'deep/b.txt': 'deep/b.txt',
      })
      // It is watched again: nobody asks for a scan.
      await fs.writeFile(join(device.folder, 'deep', 'new.txt'), 'new')
      await eventually(async () => expect(await listed()).toContain('deep/new.txt'), 30_000)
      await fs.appendFile(join(device.folder, 'a.txt'), ' edited')
      await eventually(async () => expect(await sizeOf('a.txt')).toBe('a.txt edited'.length), 30_000)
    },
    120_000,
  )
})

describe('permissions that are taken away', () => {
  test('chmod 000 of a directory or a file: nothing is deleted, the rest goes on, and so do they when they can be read', async () => {
    await fill(folder)
    await giveAway(directory)
    await fs.chmod(directory, 0o755)
    await start(WITHOUT_PRIVILEGES)
    expect(await listed()).toEqual(FILES)

    const owner = async (path: string) => giveAway(join(folder, path))
    await fs.chmod(join(folder, 'deep'), 0)
    await fs.writeFile(join(folder, 'more.txt'), 'more')
    await owner('more.txt')
    await eventually(async () => expect(await listed()).toEqual([...FILES, 'more.txt']), 30_000)
    const { issues } = await shown()
    expect(issues.map(({ path, code }) => `${path} ${code}`)).toContain('deep IO_FAILED')

    await fs.chmod(join(folder, 'deep'), 0o755)
    await fs.writeFile(join(folder, 'deep', 'd.txt'), 'd')
    await owner('deep/d.txt')
    await eventually(async () => expect(await listed()).toEqual([...FILES, 'deep/d.txt', 'more.txt']), 30_000)
    expect((await shown()).issues).toEqual([])

    await fs.writeFile(join(folder, 'a.txt'), 'unreadable')
    await fs.chmod(join(folder, 'a.txt'), 0)
    await fs.unlink(join(folder, 'more.txt'))
    await eventually(async () => expect(await listed()).not.toContain('more.txt'), 30_000)
    expect(await sizeOf('a.txt')).toBe('a.txt'.length)
    await fs.chmod(join(folder, 'a.txt'), 0o644)
    await eventually(async () => expect(await sizeOf('a.txt')).toBe('unreadable'.length), 30_000)
  }, 120_000)

  test('chmod 000 of the folder itself is FOLDER_MISSING until it can be read', async () => {
    await fill(folder)
    await giveAway(directory)
    await fs.chmod(directory, 0o755)
    await start(WITHOUT_PRIVILEGES)
    await fs.chmod(folder, 0)
    await expectState('error', 'FOLDER_MISSING')
    expect(await listed()).toEqual(FILES)
    await fs.chmod(folder, 0o755)
    await expectState('offline')
    expect(await listed()).toEqual(FILES)
  }, 120_000)
})
