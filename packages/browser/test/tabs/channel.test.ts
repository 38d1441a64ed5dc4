import { describe, expect, test } from 'vitest'
import { acceptClients } from '../../src/tabs/accept.js'
import type { Channel } from '../../src/tabs/channel.js'
import { dialDevice } from '../../src/tabs/dial.js'
import { PROTOCOL_VERSION } from '../../src/tabs/greeting.js'
import { clientChannel, helloChannel } from '../../src/tabs/names.js'
import { connectedWorkspace } from '../remote/connected.js'
import { freshName } from '../stores/fresh-name.js'

const closed = ({ closed }: Channel) =>
  new Promise((resolve) => {
    if (closed.aborted) resolve(closed.reason)
    closed.addEventListener('abort', () => resolve(closed.reason))
  })

async function device(home: string, token = 1) {
  const clients: Channel[] = []
  let superseded = false
  const acceptor = await acceptClients({
    home,
    token,
    onClient: (channel) => clients.push(channel),
    onSuperseded: () => {
      superseded = true
    },
  })
  return { clients, acceptor, isSuperseded: () => superseded }
}

describe('a channel between a client and the device', () => {
  test('takes messages both ways, in order, as copies', async () => {
    const home = freshName()
    const { clients, acceptor } = await device(home)
    const { channel, token } = await dialDevice(home)
    expect(token).toBe(1)
    const echoed: unknown[] = []
    const done = new Promise<void>((resolve) => {
      channel.onMessage((message) => echoed.push(message) === 101 && resolve())
    })
    clients[0]?.onMessage((message) => clients[0]?.post(message))
    const blob = new Blob(['by reference'])
    channel.post({ blob })
    for (let i = 0; i < 100; i++) channel.post(i)
    await done
    expect(await (echoed[0] as { blob: Blob }).blob.text()).toBe('by reference')
    expect(echoed.slice(1)).toEqual(Array.from({ length: 100 }, (_, i) => i))
    channel.close()
    acceptor.close()
  })

  test('goes through a port that was passed on, and by name where none was', async () => {
    const home = freshName()
    const { clients, acceptor } = await device(home)
    for (const passes of [true, false]) {
      const named: unknown[] = []
      const { channel } = await dialDevice(home, {
        offerPorts: async (hello) => {
          new BroadcastChannel(clientChannel(home, hello.client)).onmessage = ({ data }) => named.push(data)
          const [{ port1, port2 }, unused] = [new MessageChannel(), new MessageChannel()]
          if (passes) acceptor.accept(hello, port2)
          return [unused.port1, port1]
        },
      })
      const echo = new Promise((resolve) => channel.onMessage(resolve))
      clients.at(-1)?.onMessage((message) => clients.at(-1)?.post(message))
      channel.post('hello')
      expect(await echo).toBe('hello')
      expect(named.length > 0).toBe(!passes)
      channel.close()
      expect(await closed(clients.at(-1) as Channel)).toMatchObject({ code: 'NOT_CONNECTED' })
    }
    expect(clients).toHaveLength(2)
    acceptor.close()
  })

  test('waits for a device to start', async () => {
    const home = freshName()
    const dialing = dialDevice(home)
    const { acceptor } = await device(home)
    const { channel } = await dialing
    channel.close()
    acceptor.close()
  })

  test('is not there without a device: the signal is the deadline', async () => {
    const signal = AbortSignal.timeout(50)
    await expect(dialDevice(freshName(), { signal })).rejects.toMatchObject({ name: 'TimeoutError' })
  })

  test('closes for the device when the client closes it, and the other way round', async () => {
    const home = freshName()
    const { clients, acceptor } = await device(home)
    const { channel: first } = await dialDevice(home)
    const { channel: second } = await dialDevice(home)
    first.close()
    expect(first.closed.reason).toMatchObject({ code: 'CLOSED' })
    expect(await closed(clients[0] as Channel)).toMatchObject({ code: 'NOT_CONNECTED' })
    expect(clients[1]?.closed.aborted).toBe(false)
    acceptor.close()
    expect(await closed(second)).toMatchObject({ code: 'NOT_CONNECTED', retryable: true })
  })

  test('leads to the device that was elected last', async () => {
    const home = freshName()
    const old = await device(home, 1)
    const { channel } = await dialDevice(home)
    const young = await device(home, 2)
    expect(await closed(channel)).toMatchObject({ code: 'NOT_CONNECTED' })
    expect(old.isSuperseded()).toBe(true)
    expect(young.isSuperseded()).toBe(false)
    old.acceptor.close()
    const again = await dialDevice(home)
    expect(again.token).toBe(2)
    again.channel.close()
    young.acceptor.close()
  })

  test('is refused to an app of another version, with what to do', async () => {
    const home = freshName()
    const hello = new BroadcastChannel(helloChannel(home))
    // A device of another version refuses this one, as this one refuses others.
    hello.onmessage = ({ data }) => {
      const channel = new BroadcastChannel(clientChannel(home, data.client))
      channel.postMessage({ type: 'refused', code: 'PROTOCOL_UNSUPPORTED' })
      channel.close()
    }
    await expect(dialDevice(home)).rejects.toMatchObject({
      code: 'PROTOCOL_UNSUPPORTED',
      hint: expect.stringContaining('Reload'),
    })
    hello.close()
    const { acceptor, clients } = await device(home)
    const answers = new BroadcastChannel(clientChannel(home, 'me'))
    const answer = new Promise((resolve) => {
      answers.onmessage = ({ data }) => resolve(data)
    })
    const stranger = new BroadcastChannel(helloChannel(home))
    stranger.postMessage({ type: 'hello', client: 'me', version: PROTOCOL_VERSION + 1 })
    expect(await answer).toEqual({ type: 'refused', code: 'PROTOCOL_UNSUPPORTED' })
    expect(clients).toEqual([])
    for (const each of [answers, stranger]) each.close()
    acceptor.close()
  })
})

test('what a killed client left open is ended', async () => {
  await using world = await connectedWorkspace()
  const { home, original } = world
  const worker = new Worker(new URL('./client-worker.ts', import.meta.url), { type: 'module' })
  const begun = new Promise((resolve) => {
    worker.onmessage = resolve
  })
  worker.postMessage({ home, workspace: original.id })
  await begun
  worker.terminate()
  // The log would be held otherwise.
  await original.write('after', 'after')
  await expect(original.stat('begun')).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
