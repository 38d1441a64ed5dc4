import {
  type Change,
  type Item,
  isPeerfoldError,
  PeerfoldError,
  type Progress,
  type RemovedItem,
} from '@peerfold/core'
import { describe, expect, test } from 'vitest'
import { collect, connectedWorkspace, isSame, randomBytes, until } from './connected.js'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const utf8 = (value: string) => new TextEncoder().encode(value)

describe('a workspace, used over messages', () => {
  describe('writes', () => {
    const bodies = {
      text: () => 'hello',
      bytes: () => utf8('hello'),
      'a part of larger memory': () => utf8('oh, hello').subarray(4),
      'a Blob': () => new Blob(['hello']),
      'a File': () => new File(['hello'], 'hello.txt'),
      'a stream': () => new Blob(['hello']).stream(),
      'an async iterable': async function* () {
        yield utf8('hel')
        yield utf8('lo')
      },
    }
    for (const [name, body] of Object.entries(bodies))
      test(name, async () => {
        await using world = await connectedWorkspace()
        const { notes, original } = world
        const version = await notes.write('a.txt', body())
        expect(version).toMatchObject({ size: 5, device: world.device.device.id })
        expect(version.time).toBeInstanceOf(Date)
        expect(await original.read('a.txt').text()).toBe('hello')
      })

    test('what no body is: refused here', async () => {
      await using world = await connectedWorkspace()
      await expect(world.notes.write('a', 5 as unknown as string)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      })
    })

    test('with options: date, kind, expected version', async () => {
      await using world = await connectedWorkspace()
      const { notes, original } = world
      const mtime = new Date(1_000_000)
      const first = await notes.write('a', 'one', { mtime, executable: true, ifVersion: null })
      expect(await original.stat('a')).toMatchObject({ mtime, executable: true })
      const refused = notes.write('a', 'two', { ifVersion: null })
      await expect(refused).rejects.toMatchObject({ code: 'VERSION_MISMATCH', details: { path: 'a' } })
      await notes.write('a', 'two', { ifVersion: first.id })
      await notes.write('link', 'a', { type: 'symlink' })
      expect((await original.stat('link')).type).toBe('symlink')
    })

    test('telling how far it is', async () => {
      await using world = await connectedWorkspace()
      const body = new Blob([randomBytes(3_000_000)])
      const told: Progress[] = []
      await world.notes.write('a', body, { onProgress: (progress) => told.push(progress) })
      expect(told.at(-1)).toEqual({ bytes: 3_000_000, total: 3_000_000 })
    })

    test('a body that fails: with its own error, and nothing is kept', async () => {
      await using world = await connectedWorkspace()
      const failure = new Error('the camera was unplugged')
      async function* body() {
        yield utf8('begun')
        throw failure
      }
      await expect(world.notes.write('a', body())).rejects.toBe(failure)
      await expect(world.notes.stat('a')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    test('a body only as fast as the device takes it', async () => {
      await using world = await connectedWorkspace()
      const { notes, peers } = world
      let release = () => {}
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      const { blocks } = peers.homeOf(0).stores(notes.id)
      const put = blocks.put.bind(blocks)
      blocks.put = async (...args) => {
        await held
        await put(...args)
      }
      let given = 0
      async function* body() {
        for (let i = 0; i < 40; i++) {
          yield randomBytes(1_000_000)
          given++
        }
      }
      const writing = notes.write('big', body())
      await until(() => given >= 2)
      await notes.stat('')
      await new Promise((resolve) => setTimeout(resolve, 200))
      expect(given).toBeLessThan(30)
      release()
      expect((await writing).size).toBe(40_000_000)
    })

    test('a body to its end, or gives it back: a stream is cancelled when the call is', async () => {
      await using world = await connectedWorkspace()
      const { notes } = world
      let cancelled = false
      const body = new ReadableStream<Uint8Array>({
        pull: async (controller) => {
          await new Promise((resolve) => setTimeout(resolve, 1))
          controller.enqueue(randomBytes(10_000))
        },
        cancel: () => {
          cancelled = true
        },
      })
      const controller = new AbortController()
      const writing = notes.write('endless', body, { signal: controller.signal })
      setTimeout(() => controller.abort(), 50)
      await expect(writing).rejects.toMatchObject({ name: 'AbortError' })
      await until(() => cancelled)
      await expect(notes.stat('endless')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })
  })

  describe('reads', () => {
    test('text, bytes, JSON, streams and pieces', async () => {
      await using world = await connectedWorkspace()
      const { notes, original } = world
      await original.write('a.json', '{"b":1}')
      const file = notes.read('a.json')
      expect(await file.text()).toBe('{"b":1}')
      expect(text(await file.bytes())).toBe('{"b":1}')
      expect(await file.json()).toEqual({ b: 1 })
      expect(await new Response(file.stream()).text()).toBe('{"b":1}')
      expect((await collect(file)).map(text).join('')).toBe('{"b":1}')
    })

    test('ranges of large files, telling how far it is', async () => {
      await using world = await connectedWorkspace()
      const { notes, original } = world
      const bytes = randomBytes(6_000_000)
      await original.write('big', bytes)
      expect(isSame(await notes.read('big').bytes(), bytes)).toBe(true)
      const told: Progress[] = []
      const range = { offset: 1_234_567, length: 3_000_000, onProgress: (each: Progress) => told.push(each) }
      const part = await notes.read('big', range).bytes()
      expect(isSame(part, bytes.subarray(1_234_567, 4_234_567))).toBe(true)
      expect(told.at(-1)).toEqual({ bytes: 3_000_000, total: 3_000_000 })
      expect(await notes.read('big', { offset: 7_000_000 }).bytes()).toHaveLength(0)
      expect(() => notes.read('big', { offset: -1 })).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      )
    })

    test('a past version', async () => {
      await using world = await connectedWorkspace()
      const { notes } = world
      const first = await notes.write('a', 'one')
      await notes.write('a', 'two')
      expect(await notes.read('a', { version: first.id }).text()).toBe('one')
      expect(await notes.read('a').text()).toBe('two')
    })

    test('with the errors of the device', async () => {
      await using world = await connectedWorkspace()
      const { notes } = world
      await notes.mkdir('folder')
      await expect(notes.read('none').text()).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(notes.read('folder').text()).rejects.toMatchObject({ code: 'NOT_A_FILE' })
      await expect(notes.read('a//b').text()).rejects.toMatchObject({ code: 'PATH_INVALID' })
    })

    test('no further ahead than a window, and ends when its reader does', async () => {
      await using world = await connectedWorkspace()
      const { notes, original } = world
      await original.write('big', randomBytes(20_000_000))
      const channel = await world.dial()
      let received = 0
      let ended = false
      channel.onMessage((message) => {
        const frame = message as { type: string; items?: Uint8Array[] }
        for (const piece of frame.items ?? []) received += piece.length
        if (frame.type === 'fail') ended = true
      })
      const target = { workspace: notes.id }
      channel.post({ type: 'open', id: 1, method: 'read', target, args: { path: 'big' }, window: 1_000_000 })
      await until(() => received >= 1_000_000)
      await notes.stat('')
      await new Promise((resolve) => setTimeout(resolve, 100))
      expect(received).toBeLessThanOrEqual(2_100_000)
      channel.post({ type: 'credit', id: 1, amount: 1_000_000 })
      await until(() => received >= 2_000_000)
      channel.post({ type: 'abort', id: 1 })
      await until(() => ended)
      channel.close()
    })

    test('a stream that is cancelled while it waits for the network', async () => {
      await using world = await connectedWorkspace(2)
      const { notes, peers } = world
      await world.client.settled()
      const other = await peers.devices[1]?.workspaces.open(notes.id)
      await other?.write('far', randomBytes(500_000))
      using live = notes.live('')
      await until(() => live.value?.length === 1)
      peers.hub.partition(
        peers.devices.map(({ device }) => [device.peer]),
        { silent: true },
      )
      const { blocks } = peers.homeOf(0).stores(notes.id)
      for await (const cid of blocks.list()) await blocks.delete([cid])
      const reader = notes.read('far').stream().getReader()
      const read = reader.read()
      await new Promise((resolve) => setTimeout(resolve, 50))
      await reader.cancel()
      expect(await read).toEqual({ done: true, value: undefined })
      peers.hub.heal()
    })
  })

  describe('lists and changes', () => {
    test('folders, deep ones too', async () => {
      await using world = await connectedWorkspace()
      const { notes, original } = world
      for (let i = 0; i < 400; i++) await original.mkdir(`many/${String(i).padStart(3, '0')}`)
      expect(await collect(notes.list('many'))).toEqual(await collect(original.list('many')))
      const all = await collect(notes.list('', { recursive: true }))
      expect(all).toHaveLength(401)
      expect(await notes.stat('many/007')).toEqual(await original.stat('many/007'))
      let seen = 0
      for await (const _ of notes.list('many')) if (++seen === 3) break
      expect(seen).toBe(3)
      await expect(collect(notes.list('none'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    test('moves and removes', async () => {
      await using world = await connectedWorkspace()
      const { notes, original } = world
      await notes.write('a/b.txt', 'b')
      await notes.move('a/b.txt', 'c.txt')
      await notes.remove('a')
      expect((await collect(original.list(''))).map(({ path }) => path)).toEqual(['c.txt'])
      await expect(notes.move('none', 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    test('watches, from now on or from a cursor', async () => {
      await using world = await connectedWorkspace()
      const { notes, original } = world
      const controller = new AbortController()
      const changes = notes.watch('docs', controller)[Symbol.asyncIterator]()
      const first = changes.next()
      // The device listens as soon as it has answered what was asked later.
      await notes.stat('')
      await original.write('docs/a', 'a')
      await original.write('other', 'b')
      await original.write('docs/c', 'c')
      const seen = [(await first).value as Change]
      while (seen.at(-1)?.path !== 'docs/c') seen.push((await changes.next()).value as Change)
      expect(seen.map(({ path }) => path)).toEqual(['docs', 'docs/a', 'docs/c'].slice(-seen.length))
      const waiting = changes.next()
      controller.abort()
      await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
      const since = seen.at(-2)?.cursor as string
      for await (const change of notes.watch('', { since })) {
        expect(change.path).toBe('other')
        break
      }
    })

    test('live lists, whose objects stay until they change', async () => {
      await using world = await connectedWorkspace()
      const { notes, original } = world
      await original.write('a', 'a')
      await original.write('b', 'b')
      using live = notes.live('')
      const seen: Array<Item[] | undefined> = []
      live.subscribe((items) => seen.push(items))
      await until(() => live.value?.length === 2)
      expect(live.value).toBe(live.value)
      const [a, b] = live.value as Item[]
      await original.write('b', 'changed')
      await until(() => live.value?.[1] !== b)
      expect(live.value?.[0]).toBe(a)
      expect(live.value).toEqual(await collect(original.list('')))
      expect(seen.at(-1)).toBe(live.value)
      await original.remove('a')
      await until(() => live.value?.length === 1)
      await original.remove('b')
      await until(() => live.value?.length === 0)
      await original.mkdir('c')
      await until(() => live.value?.length === 1)
      using empty = notes.live('c')
      expect(empty.value).toBeUndefined()
      await until(() => empty.value?.length === 0)
      expect(() => notes.live('a//b')).toThrow(expect.objectContaining({ code: 'PATH_INVALID' }))
    })

    test('live lists of many items', async () => {
      await using world = await connectedWorkspace()
      const { notes, original } = world
      await original.transact(async (tx) => {
        for (let i = 0; i < 5_000; i++) await tx.mkdir(`many/${i}`)
      })
      using live = notes.live('many')
      await until(() => live.value?.length === 5_000)
      expect(live.value).toEqual(await collect(original.list('many')))
      const before = new Set(live.value)
      await original.mkdir('many/2500a')
      await until(() => live.value?.length === 5_001)
      expect(live.value?.filter((item) => !before.has(item)).map(({ name }) => name)).toEqual(['2500a'])
    })

    test('versions and their restoring', async () => {
      await using world = await connectedWorkspace()
      const { notes, original } = world
      const first = await notes.write('a', 'one')
      await notes.write('a', 'two')
      expect(await collect(notes.versions('a'))).toEqual(await collect(original.versions('a')))
      const restored = await notes.restore('a', first.id)
      expect(restored.size).toBe(3)
      expect(await original.read('a').text()).toBe('one')
    })

    test('removed files, and their coming back under another name', async () => {
      await using world = await connectedWorkspace()
      const { notes, original } = world
      for (const name of ['a', 'b', 'c']) await original.write(`docs/${name}`, name)
      await notes.remove('docs')
      const removed = await collect(notes.removed())
      expect(removed.map(({ path }) => path).sort()).toEqual(['docs/a', 'docs/b', 'docs/c'])
      expect(removed).toEqual(await collect(original.removed()))
      const [first] = removed as [RemovedItem]
      await notes.write(first.path, 'another')
      await expect(notes.restore(first.path, first.version)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
      await notes.restore(first.path, first.version, { to: 'docs/again' })
      expect(await original.read('docs/again').text()).toBe(first.name)
      expect(await original.read(first.path).text()).toBe('another')
      expect(await collect(notes.removed())).toHaveLength(2)
    })

    test('conflicts and their end', async () => {
      await using world = await connectedWorkspace(2)
      const { client, notes, peers } = world
      await notes.write('a', 'base')
      await client.settled()
      const other = await peers.devices[1]?.workspaces.open(notes.id)
      peers.hub.partition(peers.devices.map(({ device }) => [device.peer]))
      await notes.write('a', 'mine')
      await other?.write('a', 'theirs')
      peers.hub.heal()
      while ((await collect(notes.conflicts())).length === 0)
        await new Promise((resolve) => setTimeout(resolve, 20))
      const [conflict] = await collect(notes.conflicts())
      expect(conflict?.path).toBe('a')
      expect(conflict?.versions).toHaveLength(2)
      await notes.resolve('a', { version: conflict?.versions[1]?.id as string })
      expect(await collect(notes.conflicts())).toEqual([])
      await notes.resolve('a', { body: new Blob(['both']) })
      expect(await notes.read('a').text()).toBe('both')
    })

    test('the machines that hold everything', async () => {
      await using world = await connectedWorkspace(2)
      const { notes, peers } = world
      await notes.write('a', 'a')
      expect(await notes.durable({ copies: 2 })).toEqual([
        { kind: 'device', id: peers.devices[1]?.device.id },
      ])
      await expect(notes.durable({ copies: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })
  })

  describe('transactions', () => {
    test('run here and are one commit there', async () => {
      await using world = await connectedWorkspace()
      const { notes, original } = world
      await notes.write('stock', '5')
      const { value, commit } = await notes.transact(async (tx) => {
        const left = Number(await tx.read('stock').text()) - 1
        await tx.write('stock', String(left))
        await tx.write('sold/first', new Blob(['1']).stream())
        expect(await tx.read('stock').text()).toBe('4')
        expect((await collect(tx.list('sold'))).map(({ name }) => name)).toEqual(['first'])
        await expect(original.stat('sold')).rejects.toMatchObject({ code: 'NOT_FOUND' })
        return left
      })
      expect(value).toBe(4)
      expect(commit?.time).toBeInstanceOf(Date)
      expect(await original.read('sold/first').text()).toBe('1')
    })

    test('that change nothing are no commit', async () => {
      await using world = await connectedWorkspace()
      const { commit } = await world.notes.transact(async (tx) => await tx.list(''))
      expect(commit).toBeUndefined()
    })

    test('keep nothing when they throw, and throw what was thrown', async () => {
      await using world = await connectedWorkspace()
      const { notes } = world
      const failure = new Error('changed my mind')
      const failed = notes.transact(async (tx) => {
        await tx.write('a', 'a')
        throw failure
      })
      await expect(failed).rejects.toBe(failure)
      await expect(notes.stat('a')).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await notes.write('b', 'the log is free')
    })

    test('end with their signal', async () => {
      await using world = await connectedWorkspace()
      const { notes } = world
      const controller = new AbortController()
      let late: Promise<unknown> = Promise.resolve()
      const endless = notes.transact(async (tx) => {
        await tx.write('a', 'a')
        controller.abort()
        await new Promise((resolve) => setTimeout(resolve, 20))
        late = tx.write('b', 'b').catch((error: unknown) => error)
        await late
      }, controller)
      await expect(endless).rejects.toMatchObject({ name: 'AbortError' })
      await new Promise((resolve) => setTimeout(resolve, 40))
      expect(await late).toSatisfy((error) => isPeerfoldError(error, 'CLOSED'))
      await expect(notes.stat('a')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    test('of a client that went end there', async () => {
      await using world = await connectedWorkspace()
      const { original } = world
      const client = await world.connect()
      const notes = await client.workspaces.open(original.id)
      let begun = false
      const lost = notes.transact(async (tx) => {
        await tx.write('a', 'a')
        begun = true
        await new Promise(() => {})
      })
      const failed = expect(lost).rejects.toBeInstanceOf(PeerfoldError)
      await until(() => begun)
      await client.close()
      await failed
      // The log would be held otherwise.
      await original.write('b', 'b')
      await expect(original.stat('a')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })
  })

  test('ends what is under way when it closes', async () => {
    await using world = await connectedWorkspace()
    const { notes } = world
    const watching = notes.watch('')[Symbol.asyncIterator]().next()
    const failed = expect(watching).rejects.toMatchObject({ code: 'CLOSED' })
    await notes.close()
    await failed
    await expect(notes.stat('')).rejects.toMatchObject({ code: 'CLOSED' })
    expect(await world.client.workspaces.list()).toHaveLength(1)
  })
})
