import { type AbortOptions, PeerfoldError } from '@peerfold/core'
import { raceSignal } from '@peerfold/core/async'
import { type Channel, channelOver, openChannel } from './channel.js'
import {
  type Answer,
  type Greeting,
  type Hello,
  PROTOCOL_VERSION,
  parseAnswer,
  parseGreeting,
} from './greeting.js'
import { holdLock, whenFree } from './lock.js'
import { clientChannel, clientLock, deviceLock, helloChannel } from './names.js'

/** A hello can be lost while a device starts: it is said again. */
const REPEAT_MS = 1_000
/** How long ports that were offered may take to reach the device, before it is told of the slower way. */
const OFFER_MS = 250

/** Hands a port to each page that may pass it on to the device, and returns the other ends. */
export type OfferPorts = (hello: Hello) => Promise<MessagePort[]>

export interface DialOptions extends AbortOptions {
  /** A faster way than by name, for those who can ask pages for it. @default none */
  offerPorts?: OfferPorts
}

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
export async function dialDevice(
  home: string,
  { signal, offerPorts = async () => [] }: DialOptions = {},
): Promise<Dialed> {
  const client = crypto.randomUUID()
  const release = await holdLock(clientLock(home, client), { signal })
  const hello = new BroadcastChannel(helloChannel(home))
  const ways = [openChannel(clientChannel(home, client))]
  const end = () => {
    for (const way of ways) way.close()
    hello.close()
    release()
  }
  try {
    const ports = await offerPorts({ client, version: PROTOCOL_VERSION })
    ways.push(...ports.map(channelOver))
    const { answer, channel } = await greet(hello, ways, client, { signal })
    for (const way of ways) if (way !== channel) way.close()
    channel.closed.addEventListener('abort', end, { once: true })
    watchDevice(home, answer.device, channel)
    watchSuccessors(hello, answer.token, channel)
    return { channel, token: answer.token }
  } catch (error) {
    end()
    throw error
  }
}

interface Answered {
  answer: Answer & { type: 'welcome' }
  /** The way by which it came. */
  channel: Channel
}

async function greet(
  hello: BroadcastChannel,
  ways: readonly Channel[],
  client: string,
  { signal }: AbortOptions,
): Promise<Answered> {
  const say = () => hello.postMessage({ type: 'hello', client, version: PROTOCOL_VERSION } satisfies Greeting)
  hello.onmessage = ({ data }) => {
    if (parseGreeting(data)?.type === 'here') say()
  }
  const first = setTimeout(say, ways.length > 1 ? OFFER_MS : 0)
  const timer = setInterval(say, REPEAT_MS)
  const stopping = new AbortController()
  try {
    return await raceSignal(answerOn(ways, stopping.signal), signal)
  } finally {
    stopping.abort()
    clearTimeout(first)
    clearInterval(timer)
    hello.onmessage = null
  }
}

/** The first answer on any of the channels. */
async function answerOn(ways: readonly Channel[], signal: AbortSignal): Promise<Answered> {
  return await new Promise((resolve, reject) => {
    for (const channel of ways) {
      const stop = channel.onMessage((message) => {
        try {
          const answer = parseAnswer(message)
          if (answer !== undefined) resolve({ answer, channel })
        } catch (error) {
          reject(error)
        }
      })
      signal.addEventListener('abort', stop, { once: true })
    }
  })
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
