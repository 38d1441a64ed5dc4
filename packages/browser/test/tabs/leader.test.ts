import { type Change, PeerfoldError } from '@peerfold/core'
import { describe, expect, test } from 'vitest'
import { connect } from '../../src/tabs/connect.js'
import { joinDevice } from '../../src/tabs/join.js'
import type { StartDevice } from '../../src/tabs/leader.js'
import { nextToken } from '../../src/tabs/token.js'
import { collect, randomBytes, until } from '../remote/connected.js'
import { freshName } from '../stores/fresh-name.js'
import { startHere } from './stored-device.js'

/** Another tab, with a life of its own. */
function openTab(home: string) {
  const worker = new Worker(new URL('./tab-worker.ts', import.meta.url), { type: 'module' })
  const tokens: number[] = []
  let isConnected = false
  worker.onmessage = ({ data }) => {
    if (data === 'connected') isConnected = true
    else tokens.push(data.leads)
  }
  worker.postMessage({ home })
  return {
    leads: async () => {
      await until(() => tokens.length > 0)
      return tokens[0] as number
    },
    connected: () => until(() => isConnected),
    hasLed: () => tokens.length > 0,
    kill: () => worker.terminate(),
  }
}

const shortly = { deadlineMs: 20_000 }

describe('tabs of one origin', () => {
  test('share one device, which one of them runs', async () => {
    const home = freshName()
    const [a, b] = [openTab(home), openTab(home)]
    await Promise.all([a.connected(), b.connected()])
    expect([a.hasLed(), b.hasLed()].sort()).toEqual([false, true])
    const [one, two] = [await joinDevice(home), await joinDevice(home)]
    expect(one.device).toEqual(two.device)
    const notes = await one.workspaces.create('notes')
    await Promise.all([notes.write('a', 'a'), (await two.workspaces.list()).length])
    const again = await two.workspaces.open('notes')
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => (i % 2 ? notes : again).write(`both/${i}`, String(i))),
    )
    expect(await collect(again.list('both'))).toHaveLength(10)
    for (const each of [one, two]) await each.close()
    for (const each of [a, b]) each.kill()
  })

  test('go on when the one that runs the device is killed', async () => {
    const home = freshName()
    const first = openTab(home)
    const token = await first.leads()
    const second = openTab(home)
    await second.connected()
    const client = await joinDevice(home, shortly)
    const notes = await client.workspaces.create('notes')
    await notes.write('a', 'a')
    using live = notes.live('')
    await until(() => live.value?.length === 1)
    const [a] = live.value ?? []
    const changes: Change[] = []
    const watching = new AbortController()
    const watched = collectInto(changes, notes.watch('', watching)).catch((error: unknown) => error)
    const quiet: Change[] = []
    const unheard = collectInto(quiet, notes.watch('', watching)).catch((error: unknown) => error)
    await notes.write('b', 'b')
    await until(() => changes.length === 1 && live.value?.length === 2)
    let tokenOfTx = 0
    const lost = notes.transact(async (tx) => {
      await tx.write('never', 'never')
      tokenOfTx = token
      await new Promise(() => {})
    })
    const failed = expect(lost).rejects.toMatchObject({ code: 'NOT_CONNECTED', retryable: true })
    await until(() => tokenOfTx !== 0)
    const writing = expect(notes.write('waits', 'for the transaction')).rejects.toMatchObject({
      code: 'NOT_CONNECTED',
    })
    await notes.stat('a')
    first.kill()
    const [stat, text] = await Promise.all([notes.stat('a'), notes.read('b').text()])
    expect([stat.path, text]).toEqual(['a', 'b'])
    await Promise.all([failed, writing])
    expect(await second.leads()).toBeGreaterThan(token)
    await notes.write('c', 'c')
    await until(() => live.value?.length === 3 && changes.length >= 2)
    expect(live.value?.[0]).toBe(a)
    expect(live.value?.map(({ path }) => path)).toEqual(['a', 'b', 'c'])
    expect(changes.map(({ path }) => path)).toEqual(['b', 'c'])
    await until(() => quiet.length >= 2)
    expect(client.status.value.workspaces.map(({ name }) => name)).toEqual(['notes'])
    watching.abort()
    await Promise.all([watched, unheard])
    await client.close()
    second.kill()
  })

  test('read a file on where the device that read it went', async () => {
    const home = freshName()
    const first = openTab(home)
    await first.leads()
    const client = await joinDevice(home, shortly)
    const notes = await client.workspaces.create('notes')
    const bytes = randomBytes(8_000_000)
    await notes.write('big', bytes)
    const pieces = notes.read('big')[Symbol.asyncIterator]()
    const seen = [(await pieces.next()).value as Uint8Array]
    first.kill()
    const second = openTab(home)
    for (;;) {
      const { done, value } = await pieces.next()
      if (done) break
      seen.push(value)
    }
    const hash = async (parts: Uint8Array[]) =>
      new Uint8Array(await crypto.subtle.digest('SHA-256', await new Blob(parts as BlobPart[]).arrayBuffer()))
    expect(await hash(seen)).toEqual(await hash([bytes]))
    await client.close()
    second.kill()
  })

  test('hand the device over when the one that runs it closes its part', async () => {
    const home = freshName()
    const tokens: number[] = []
    const start = startHere(home, (token) => tokens.push(token))
    const one = await connect({ home, startDevice: start })
    const two = await connect({ home, startDevice: start })
    expect(tokens).toHaveLength(1)
    const notes = await two.workspaces.create('notes')
    await one.close()
    await notes.write('a', 'a')
    expect(tokens).toHaveLength(2)
    expect(tokens[1]).toBeGreaterThan(tokens[0] as number)
    await expect(one.workspaces.list()).rejects.toMatchObject({ code: 'CLOSED' })
    await two.close()
  })

  test('start the device anew when it ended by itself', async () => {
    const home = freshName()
    const start = startHere(home)
    let crash = () => {}
    let starts = 0
    const crashing: StartDevice = async ({ token, signal }) => {
      starts++
      const own = new AbortController()
      crash = () => own.abort()
      return await start({ token, signal: AbortSignal.any([signal, own.signal]) })
    }
    const client = await connect({ home, startDevice: crashing })
    const notes = await client.workspaces.create('notes')
    crash()
    await until(() => starts === 2)
    await notes.write('a', 'a')
    await client.close()
  })
})

describe('a tab says what is wrong', () => {
  test('when the device cannot be started, and leaves the place to another', async () => {
    const home = freshName()
    const failure = new PeerfoldError('HOME_INVALID', 'no storage here')
    const startDevice = async () => await Promise.reject(failure)
    await expect(connect({ home, startDevice })).rejects.toBe(failure)
    const client = await connect({ home, startDevice: startHere(home) })
    expect(client.hasIdentity).toBe(true)
    await client.close()
  })

  test('when no tab runs the device', async () => {
    await expect(joinDevice(freshName(), { deadlineMs: 50 })).rejects.toMatchObject({
      code: 'NOT_CONNECTED',
      retryable: true,
      message: expect.stringContaining('50 ms'),
    })
    const reason = new Error('no longer wanted')
    const signal = AbortSignal.abort(reason)
    await expect(joinDevice(freshName(), { signal })).rejects.toBe(reason)
  })
})

test('fencing tokens grow, whoever asks', async () => {
  const home = freshName()
  const tokens = await Promise.all(Array.from({ length: 5 }, () => nextToken(home)))
  expect(new Set(tokens).size).toBe(5)
  expect(await nextToken(home)).toBeGreaterThan(Math.max(...tokens))
})

async function collectInto<T>(all: T[], items: AsyncIterable<T>): Promise<void> {
  for await (const item of items) all.push(item)
}
