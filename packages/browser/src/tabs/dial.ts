import { type AbortOptions, PeerfoldError } from '@peerfold/core'
import { raceSignal } from '@peerfold/core/async'
import { type Channel, openChannel } from './channel.js'
import { type Answer, type Greeting, PROTOCOL_VERSION, parseAnswer, parseGreeting } from './greeting.js'
import { holdLock, whenFree } from './lock.js'
import { clientChannel, clientLock, deviceLock, helloChannel } from './names.js'

/** A hello can be lost while a device starts: it is said again. */
const REPEAT_MS = 1_000

/** A connection to a device. */
export interface Dialed {
  channel: Channel
  /** Fencing token of the device. */
  token: number
}

/**
 * Connects to the device that some tab of this origin runs, waiting for one to start: the signal is the deadline. The channel closes with
 * `NOT_CONNECTED` when the device ends, or when one with a newer token has started.
 *
 * @param home name of the device's home
 * @throws {PeerfoldError} `PROTOCOL_UNSUPPORTED`, `BUSY`; the signal's reason
 */
export async function dialDevice(home: string, { signal }: AbortOptions = {}): Promise<Dialed> {
  const client = crypto.randomUUID()
  const release = await holdLock(clientLock(home, client), { signal })
  const channel = openChannel(clientChannel(home, client))
  channel.closed.addEventListener('abort', release, { once: true })
  const hello = new BroadcastChannel(helloChannel(home))
  channel.closed.addEventListener('abort', () => hello.close(), { once: true })
  try {
    const { device, token } = await greet(hello, channel, client, { signal })
    watchDevice(home, device, channel)
    watchSuccessors(hello, token, channel)
    return { channel, token }
  } catch (error) {
    channel.close()
    throw error
  }
}

async function greet(
  hello: BroadcastChannel,
  channel: Channel,
  client: string,
  { signal }: AbortOptions,
): Promise<Answer & { type: 'welcome' }> {
  const say = () => hello.postMessage({ type: 'hello', client, version: PROTOCOL_VERSION } satisfies Greeting)
  let stop = () => {}
  const answered = new Promise<Answer & { type: 'welcome' }>((resolve, reject) => {
    stop = channel.onMessage((message) => {
      try {
        const answer = parseAnswer(message)
        if (answer !== undefined) resolve(answer)
      } catch (error) {
        reject(error)
      }
    })
  })
  hello.onmessage = ({ data }) => {
    if (parseGreeting(data)?.type === 'here') say()
  }
  const timer = setInterval(say, REPEAT_MS)
  say()
  try {
    return await raceSignal(answered, signal)
  } finally {
    clearInterval(timer)
    hello.onmessage = null
    stop()
  }
}

/** The device's lock is free: its tab was closed, or it has ended. */
function watchDevice(home: string, device: string, channel: Channel): void {
  whenFree(deviceLock(home, device), { signal: channel.closed }).then(
    () => channel.close(deviceGone()),
    () => {},
  )
}

/** Two can seem to run for a moment, when a tab slept: the one that was elected last counts. */
function watchSuccessors(hello: BroadcastChannel, token: number, channel: Channel): void {
  hello.onmessage = ({ data }) => {
    const greeting = parseGreeting(data)
    if (greeting?.type === 'here' && greeting.token > token) channel.close(deviceGone())
  }
}

function deviceGone(): PeerfoldError {
  return new PeerfoldError('NOT_CONNECTED', 'the tab that ran this device has gone', {
    hint: 'Another tab takes over: try again.',
  })
}
