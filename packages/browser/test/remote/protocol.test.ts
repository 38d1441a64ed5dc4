import { type Item, isPeerfoldError, PeerfoldError } from '@peerfold/core'
import { describe, expect, test } from 'vitest'
import { splices } from '../../src/remote/server/live-list.js'
import type { DeviceFrame } from '../../src/remote/wire.js'
import { fromWireError, toWireError } from '../../src/remote/wire-error.js'
import { type Channel, openChannel } from '../../src/tabs/channel.js'
import { helloChannel } from '../../src/tabs/names.js'
import { connected, connectedWorkspace, until } from './connected.js'

function framesOf(channel: Channel): DeviceFrame[] {
  const frames: DeviceFrame[] = []
  channel.onMessage((message) => frames.push(message as DeviceFrame))
  return frames
}

describe('the device refuses', () => {
  const broken = {
    'what is no object': 5,
    nothing: null,
    'a frame of an unknown type': { type: 'shout', id: 1 },
    'an exchange without a number': { type: 'open', method: 'state', target: {}, args: {}, window: 1 },
    'an exchange without a method': { type: 'open', id: 1, target: {}, args: {}, window: 1 },
    'credit below nothing': { type: 'open', id: 1, method: 'state', target: {}, args: {}, window: -1 },
    'a workspace that is no text': {
      type: 'open',
      id: 1,
      method: 'stat',
      target: { workspace: 5 },
      args: {},
      window: 0,
    },
  }
  for (const [name, message] of Object.entries(broken))
    test(`${name}, and has no more to do with that client`, async () => {
      await using world = await connected()
      const channel = await world.dial()
      const frames = framesOf(channel)
      channel.post(message)
      await until(() => frames.length > 0)
      expect(frames).toEqual([{ type: 'bye', error: expect.objectContaining({ code: 'MESSAGE_INVALID' }) }])
      channel.close()
      expect(await world.client.workspaces.list()).toEqual([])
    })

  const refused = {
    'methods that there are not': { method: 'toString', args: {} },
    'arguments of another kind': { method: 'workspaces.open', args: { id: 5 } },
    'calls of no workspace': { method: 'stat', args: { path: '' } },
    'what is no body': { method: 'write', args: { path: 'a', body: { kind: 'text' } } },
  }
  for (const [name, { method, args }] of Object.entries(refused))
    test(`${name}, and goes on with that client`, async () => {
      await using world = await connectedWorkspace()
      const channel = await world.dial()
      const frames = framesOf(channel)
      const target = method === 'write' ? { workspace: world.notes.id } : {}
      channel.post({ type: 'open', id: 1, method, target, args, window: 0 })
      channel.post({ type: 'open', id: 2, method: 'workspaces.list', target: {}, args: {}, window: 0 })
      await until(() => frames.length === 2)
      expect(frames.find((frame) => frame.type === 'fail')).toMatchObject({
        id: 1,
        error: { code: 'MESSAGE_INVALID' },
      })
      channel.close()
    })

  test('input that it did not want', async () => {
    await using world = await connected()
    const channel = await world.dial()
    const frames = framesOf(channel)
    channel.post({ type: 'open', id: 1, method: 'state', target: {}, args: {}, window: 0 })
    channel.post({ type: 'input', id: 1, piece: new Uint8Array(1) })
    await until(() => frames.length > 0)
    expect(frames[0]).toMatchObject({ type: 'bye', error: { code: 'MESSAGE_INVALID' } })
    channel.close()
  })

  test('more calls at once than one tab may make', async () => {
    await using world = await connected()
    const channel = await world.dial()
    const frames = framesOf(channel)
    for (let id = 1; id <= 1_025; id++)
      channel.post({ type: 'open', id, method: 'state', target: {}, args: {}, window: 0 })
    await until(() => frames.length > 0)
    expect(frames).toEqual([{ type: 'fail', id: 1_025, error: expect.objectContaining({ code: 'BUSY' }) }])
    channel.close()
  })

  test('what is said to all', async () => {
    await using world = await connected()
    const hello = openChannel(helloChannel(world.home))
    for (const message of [5, null, {}, { type: 'hello' }, { type: 'here' }]) hello.post(message)
    const other = await world.connect()
    expect(other.hasIdentity).toBe(true)
    await other.close()
    hello.close()
  })
})

describe('errors that cross', () => {
  const cross = (error: unknown) => fromWireError(structuredClone(toWireError(error)))

  test('say the same', () => {
    const error = new PeerfoldError('NOT_FOUND', 'no such file', {
      hint: 'Look again.',
      retryable: true,
      details: { path: 'a', when: new Date(5) },
    })
    expect(cross(error)).toSatisfy((copy) => isPeerfoldError(copy, 'NOT_FOUND'))
    expect({ ...cross(error) }).toEqual({ ...error })
  })

  test('leave out details that cannot cross', () => {
    expect(cross(new PeerfoldError('BUSY', 'busy', { details: { f: () => {} } })).details).toEqual({})
  })

  test.each([
    [new TypeError('x is undefined'), 'INTERNAL', 'x is undefined'],
    ['text', 'INTERNAL', 'text'],
    [undefined, 'INTERNAL', 'undefined'],
    [new DOMException('', 'NotReadableError'), 'IO_FAILED', 'NotReadableError'],
    [new DOMException('full', 'QuotaExceededError'), 'STORE_FULL', 'full'],
  ])('%s has a code', (error, code, message) => {
    expect(cross(error)).toMatchObject({ code, message })
  })

  test('of a code that is not known here are internal', () => {
    const error = { code: 'NEW_ONE', message: 'news', hint: 'Update.', retryable: true, details: {} }
    expect(fromWireError(error)).toMatchObject({ code: 'INTERNAL', message: 'news', retryable: true })
  })
})

test('splices turn any list into any other', () => {
  const item = (id: string, size = 0) => ({ id, path: id, size }) as Item
  const list = (text: string) => [...text].map((each) => item(each.toLowerCase(), each < 'a' ? 1 : 0))
  for (const [from, to] of [
    ['', ''],
    ['', 'abc'],
    ['abc', ''],
    ['abc', 'abc'],
    ['abc', 'aXc'],
    ['abc', 'aBc'],
    ['abcd', 'ad'],
    ['aaa', 'aa'],
    ['ab', 'ba'],
  ] as const) {
    let result = list(from)
    for (const { start, remove, items } of splices(list(from), list(to)))
      result = result.toSpliced(start, remove, ...items)
    expect(result, `${from} → ${to}`).toEqual(list(to))
  }
  const many = Array.from({ length: 5_000 }, (_, i) => item(String(i)))
  const parts = [...splices([item('x')], many)]
  expect(parts.map(({ more }) => more)).toEqual([true, true, false])
})
