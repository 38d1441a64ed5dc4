import type { Peerfold, Workspace } from '@peerfold/core'
import { createTestPeers } from '@peerfold/core/testing'
import { describe, expect, test } from 'vitest'
import type { NewUpload, StoredUpload, Upload } from '../src/transfers/types.js'
import { UploadQueue, type UploadStore } from '../src/transfers/upload-queue.js'

class MemoryStore implements UploadStore {
  readonly uploads = new Map<string, StoredUpload>()

  async put(uploads: readonly StoredUpload[]): Promise<void> {
    for (const upload of uploads) this.uploads.set(upload.id, upload)
  }

  async remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.uploads.delete(id)
  }
}

async function setUp(devices: number, open?: (peerfold: Peerfold, id: string) => Promise<Workspace>) {
  const peers = await createTestPeers(devices)
  // As in a browser.
  peers.homeOf(0).lossy = true
  const peerfold = await peers.restart(0)
  const workspace = await peerfold.workspaces.create('drive')
  const store = new MemoryStore()
  const newQueue = () =>
    new UploadQueue({
      store,
      open: (id) => open?.(peerfold, id) ?? peerfold.workspaces.open(id),
      concurrency: 2,
      soon: (tell) => queueMicrotask(tell),
    })
  const queue = newQueue()
  const upload = (path: string, content: string): NewUpload => ({
    workspace: workspace.id,
    path,
    file: new File([content], path.split('/').at(-1) as string, { lastModified: 1_700_000_000_000 }),
  })
  return {
    peers,
    workspace,
    store,
    queue,
    newQueue,
    upload,
    async [Symbol.asyncDispose]() {
      await queue.close()
      await peers[Symbol.asyncDispose]()
    },
  }
}

function until(queue: UploadQueue, holds: (uploads: readonly Upload[]) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const stop = queue.subscribe((uploads) => {
      if (!holds(uploads)) return
      queueMicrotask(() => stop())
      resolve()
    })
  })
}

const all = (state: Upload['state']) => (uploads: readonly Upload[]) =>
  uploads.length > 0 && uploads.every((upload) => upload.state === state)

/** A workspace whose writes wait until they are let go, or cancelled. */
function heldWorkspace(
  workspace: Workspace,
  held: Promise<void>,
  writing: (path: string) => void,
): Workspace {
  const write: Workspace['write'] = async (path, body, options) => {
    writing(path)
    const aborted = new Promise<never>((_, reject) => {
      options?.signal?.addEventListener('abort', () => reject(options.signal?.reason))
    })
    await Promise.race([held, aborted])
    return await workspace.write(path, body, options)
  }
  return new Proxy(workspace, {
    get: (target, name) => {
      const value: unknown = name === 'write' ? write : Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describe('uploads', () => {
  test('are written with their times, into folders that are made', async () => {
    await using drive = await setUp(1)
    await drive.queue.add([drive.upload('in/a.txt', 'one'), drive.upload('in/deep/b.txt', 'two')])
    await until(drive.queue, all('kept'))
    expect(await drive.workspace.read('in/deep/b.txt').text()).toBe('two')
    expect((await drive.workspace.stat('in/a.txt')).mtime).toEqual(new Date(1_700_000_000_000))
  })

  test('are saved only when another device said so; until then they are known over restarts', async () => {
    await using drive = await setUp(1)
    await drive.queue.add([drive.upload('a.txt', 'one')])
    await until(drive.queue, all('kept'))
    await expect.poll(() => [...drive.store.uploads.values()].map(({ kept }) => kept)).toEqual([true])

    const later = drive.newQueue()
    await later.restore([...drive.store.uploads.values()])
    await until(later, all('kept'))
    const laptop = await drive.peers.add()
    await using invite = await drive.peers.devices[0]!.devices.invite()
    await laptop.devices.join(invite.ticket)
    await until(later, all('saved'))
    await expect.poll(() => drive.store.uploads.size).toBe(0)
    await later.close()
  })

  test('run a few at a time, and can be cancelled', async () => {
    let letGo = () => {}
    const held = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const writing: string[] = []
    const open = async (peerfold: Peerfold, id: string) =>
      heldWorkspace(await peerfold.workspaces.open(id), held, (path) => writing.push(path))
    await using drive = await setUp(1, open)
    await drive.queue.add(['a', 'b', 'c', 'd'].map((path) => drive.upload(path, path)))
    await expect.poll(() => writing).toEqual(['a', 'b'])
    const [a, , c] = drive.queue.value as [Upload, Upload, Upload]
    drive.queue.cancel(c.id)
    drive.queue.cancel(a.id)
    await expect.poll(() => writing).toEqual(['a', 'b', 'd'])
    letGo()
    await until(drive.queue, (uploads) =>
      uploads.every(({ state }) => state === 'kept' || state === 'cancelled'),
    )
    const names: string[] = []
    for await (const { name } of drive.workspace.list('')) names.push(name)
    expect(names.sort()).toEqual(['b', 'd'])
  })

  test('that fail say why, and can be tried again', async () => {
    await using drive = await setUp(1)
    await drive.workspace.write('taken', 'a file where a folder is wanted')
    await drive.queue.add([drive.upload('taken/a.txt', 'one')])
    await until(drive.queue, all('failed'))
    const [upload] = drive.queue.value as [Upload]
    expect(upload.failure?.code).toBe('NOT_A_FOLDER')
    await drive.workspace.move('taken', 'elsewhere')
    drive.queue.retry(upload.id)
    await until(drive.queue, all('kept'))
    expect(await drive.workspace.read('taken/a.txt').text()).toBe('one')
  })
})

describe('uploads of a page that was closed', () => {
  const left = async () => {
    const drive = await setUp(1)
    const { file, ...rest } = drive.upload('in/a.txt', 'one')
    const stored = { ...rest, id: 'u1', size: file.size, modified: file.lastModified }
    await drive.store.put([stored])
    await drive.queue.restore([stored])
    await until(drive.queue, all('lost'))
    return Object.assign(drive, { file })
  }

  test('go on with the same file, given again', async () => {
    await using drive = await left()
    expect(drive.queue.give([new File(['another'], 'a.txt', { lastModified: 1 })])).toBe(0)
    expect(drive.queue.give([drive.file])).toBe(1)
    await until(drive.queue, all('kept'))
    expect(await drive.workspace.read('in/a.txt').text()).toBe('one')
  })

  test('are not queued twice when the same file is uploaded to the same place', async () => {
    await using drive = await left()
    await drive.queue.add([{ workspace: drive.workspace.id, path: 'in/a.txt', file: drive.file }])
    await until(drive.queue, all('kept'))
    expect(drive.queue.value).toHaveLength(1)
  })

  test('go on by themselves where the browser gives the file', async () => {
    await using drive = await setUp(1)
    const { file } = drive.upload('a.txt', 'one')
    const handle = {
      queryPermission: async () => 'granted',
      getFile: async () => file,
    } as unknown as FileSystemFileHandle
    const stored = { id: 'u1', workspace: drive.workspace.id, path: 'a.txt', size: 3, modified: 0, handle }
    await drive.queue.restore([stored])
    await until(drive.queue, all('kept'))
    expect(await drive.workspace.read('a.txt').text()).toBe('one')
  })
})
