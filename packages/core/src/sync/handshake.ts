import type { DeviceCertificate } from '../access/types.js'
import { raceSignal, withDeadline } from '../async/deadline.js'
import { type ErrorCode, isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { PeerId } from '../ports/network.js'
import type { Channel } from './channel.js'
import { MAX_FRAME_BYTES } from './limits.js'
import type { Message, MessageOf } from './messages.js'
import type { SyncAuthority } from './types.js'

/** Versions of the protocol that this code speaks (PROTOCOL.md §6, Versioning). */
export const VERSIONS = [1]
/** For each step of a handshake. */
export const STEP_MS = 10_000

/** Codes that a peer may learn when it is not admitted. Everything else becomes `UNAUTHORIZED`. */
const TOLD: ReadonlySet<ErrorCode> = new Set([
  'UNAUTHORIZED',
  'CERTIFICATE_INVALID',
  'DEVICE_REVOKED',
  'PROTOCOL_UNSUPPORTED',
  'MESSAGE_INVALID',
  'ALREADY_EXISTS',
  'BUSY',
  'TIMEOUT',
  'CLOSED',
])

export interface HandshakeInit {
  channel: Channel<Message>
  peer: PeerId
  authority: Pick<SyncAuthority, 'identity' | 'admit'>
  clock: Clock
  /** Names this run of this device: 16 bytes, hexadecimal. */
  boot: string
  /** How many sessions with that peer have ended in this run. */
  ended: number
  /** What this device keeps may be gone at any time. */
  lossy: boolean
  /** Called with the peer's hello before it is answered; throws to refuse a second session. */
  arbitrate: (hello: MessageOf<'hello'>) => void
  /** Called when the peer is admitted, before it learns so. */
  admitted: (certificate: DeviceCertificate) => Promise<void>
}

export interface Admitted {
  hello: MessageOf<'hello'>
  certificate: DeviceCertificate
}

/** The side that opened the stream names itself first: it chose to, towards the key that the channel proved. */
export async function openHandshake(init: HandshakeInit, options?: AbortOptions): Promise<Admitted> {
  await step(init, 'sending hello', async () => init.channel.send(await ownHello(init)), options)
  const admitted = await admit(init, await expect(init, 'hello', options), options)
  init.channel.post({ type: 'ready' })
  return admitted
}

/** The side that was called answers nothing but a refusal before it has admitted the caller. */
export async function acceptHandshake(init: HandshakeInit, options?: AbortOptions): Promise<Admitted> {
  const admitted = await admit(init, await expect(init, 'hello', options), options)
  await step(init, 'answering hello', async () => init.channel.send(await ownHello(init)), options)
  await expect(init, 'ready', options)
  return admitted
}

/** Tells the peer why it ends and closes; gives up after a moment. */
export async function farewell(
  channel: Channel<Message>,
  clock: Clock,
  reason: unknown,
  retryAfter?: number,
): Promise<void> {
  const code = isPeerfoldError(reason) && TOLD.has(reason.code) ? reason.code : 'UNAUTHORIZED'
  const failure = reason instanceof Error ? reason : new Error(String(reason))
  try {
    await withDeadline(clock, 1000, 'saying goodbye', async (signal) => {
      await channel.send({ type: 'bye', code, retryAfter })
      await channel.close({ signal })
      while ((await channel.next()) !== undefined) {}
    })
  } catch {
    // it was a courtesy
  }
  channel.abort(failure)
}

/** The error that a `bye` stands for. */
export function byeError({ code, retryAfter }: MessageOf<'bye'>): PeerfoldError {
  return new PeerfoldError(code, `the peer ended the session: ${code}`, {
    details: { remote: true, ...(retryAfter === undefined ? {} : { retryAfter }) },
  })
}

async function ownHello(init: HandshakeInit): Promise<Message> {
  const { user, entries } = await init.authority.identity()
  const { boot, ended, lossy } = init
  return {
    type: 'hello',
    versions: VERSIONS,
    user,
    entries,
    boot,
    ended,
    time: Math.max(0, Math.trunc(init.clock.now())),
    lossy,
  }
}

async function admit(
  init: HandshakeInit,
  hello: MessageOf<'hello'>,
  options?: AbortOptions,
): Promise<Admitted> {
  if (!hello.versions.some((version) => VERSIONS.includes(version))) {
    throw new PeerfoldError('PROTOCOL_UNSUPPORTED', `the peer speaks versions ${hello.versions.join(', ')}`)
  }
  const certificate = await step(
    init,
    'checking the identity',
    () => init.authority.admit(init.peer, { user: hello.user, entries: hello.entries }),
    options,
  )
  init.arbitrate(hello)
  await step(init, 'authorising', () => init.admitted(certificate), options)
  init.channel.maxFrame = MAX_FRAME_BYTES
  return { hello, certificate }
}

async function expect<K extends 'hello' | 'ready'>(
  init: HandshakeInit,
  type: K,
  options?: AbortOptions,
): Promise<MessageOf<K>> {
  const message = await step(init, `waiting for ${type}`, () => init.channel.next(), options)
  if (message === undefined)
    throw new PeerfoldError('NOT_CONNECTED', `the peer closed instead of sending ${type}`)
  if (message.type === 'bye') throw byeError(message)
  if (message.type !== type) {
    throw new PeerfoldError('MESSAGE_INVALID', `${message.type} instead of ${type}`)
  }
  return message as MessageOf<K>
}

function step<T>(
  init: HandshakeInit,
  what: string,
  task: () => Promise<T>,
  options?: AbortOptions,
): Promise<T> {
  return withDeadline(init.clock, STEP_MS, what, (signal) => raceSignal(task(), signal), options)
}
