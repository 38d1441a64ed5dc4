import { createHash, randomBytes } from 'node:crypto'
import { type Network, type NetworkStream, PeerfoldError } from '@peerfold/core'
import { systemClock } from '@peerfold/core/platform'
import {
  Channel,
  createExchange,
  decodeAnswer,
  decodeCbor,
  type Exchange,
  encodeRequest,
  MAX_ANSWER_BYTES,
  nextChain,
  peerIdOfKey,
  proveAccess,
  QUIET_MS,
  RELAY_PROTOCOL,
  type Registration,
  type RelayAnswer,
  type RelayAnswerOf,
  type RelayRequest,
  readStatement,
  type SignedStatement,
  type Statement,
  signRegistration,
} from '@peerfold/core/relay'
import { createLibp2pNetwork } from '../../node/src/net/create-libp2p-network.js'
import { crypto, type TestBlock, type TestCommit, type TestEpoch, type TestWorkspace } from './commits.js'
import { DeviceBlocks } from './device-blocks.js'

/** Longest wait for an answer in a test, milliseconds. */
const PATIENCE = 30_000

type Unnumbered<R> = R extends { n: number } ? Omit<R, 'n'> : R
export type Asked = Unnumbered<RelayRequest>

/** A device that speaks §10 and nothing else, over real libp2p. */
export class TestDevice {
  readonly seed: Uint8Array<ArrayBuffer>
  readonly network: Network
  readonly exchange: Exchange
  readonly store = new DeviceBlocks()
  relay = ''
  #channel: Channel<RelayAnswer | RelayRequest> | undefined
  #stream: NetworkStream | undefined
  readonly #answers = new Map<number, RelayAnswer[]>()
  readonly changed: RelayAnswerOf<'changed'>[] = []
  welcome: RelayAnswerOf<'welcome'> | undefined
  bye: RelayAnswerOf<'bye'> | undefined
  /** The session is over. */
  ended = false
  #waiting = new Set<() => void>()
  #n = 0

  private constructor(seed: Uint8Array<ArrayBuffer>, network: Network) {
    this.seed = seed
    this.network = network
    this.exchange = createExchange({ network, clock: systemClock })
    network.on('disconnect', () => this.#wake())
  }

  static async create(seed: Uint8Array<ArrayBuffer> = new Uint8Array(randomBytes(32))): Promise<TestDevice> {
    const network = await createLibp2pNetwork({ peerSeed: seed, listen: [], mdns: false, dht: false })
    return new TestDevice(seed, network)
  }

  get peer(): string {
    return peerIdOfKey(crypto.publicKey(this.seed))
  }

  /** Connects, and opens a session; a newer one replaces the older. */
  async connect(addresses: readonly string[]): Promise<this> {
    const { peer } = await this.network.dial({ addresses }, { signal: AbortSignal.timeout(PATIENCE) })
    this.relay = peer
    return this.openSession()
  }

  async openSession(): Promise<this> {
    const stream = await this.network.open(this.relay, RELAY_PROTOCOL, {
      signal: AbortSignal.timeout(PATIENCE),
    })
    this.#stream = stream
    this.ended = false
    this.bye = undefined
    this.welcome = undefined
    const channel = new Channel<RelayAnswer | RelayRequest>({
      stream,
      clock: systemClock,
      encode: (message) => encodeRequest(message as RelayRequest),
      decode: decodeAnswer,
      maxFrame: MAX_ANSWER_BYTES,
      maxQueued: 64 * 1024 * 1024,
    })
    this.#channel = channel
    // Who is silent for a minute is taken for dead (§10.2): a thousand devices take longer than that to connect.
    const pinging = setInterval(() => void this.ask({ type: 'ping' }).catch(() => {}), QUIET_MS)
    void this.#read(channel).finally(() => clearInterval(pinging))
    await this.until(() => this.welcome !== undefined || this.ended)
    return this
  }

  get stream(): NetworkStream {
    return this.#stream as NetworkStream
  }

  /** Asks, and gives the first answer. @throws {PeerfoldError} what `failed` says */
  async ask<A extends RelayAnswer = RelayAnswer>(request: Asked): Promise<A> {
    const n = this.post(request)
    return (await this.answer(n)) as A
  }

  post(request: Asked): number {
    const n = ++this.#n
    this.#channel?.post({ ...request, n } as RelayRequest)
    return n
  }

  /** The next answer to a request. */
  async answer(n: number): Promise<RelayAnswer> {
    await this.until(() => this.#answers.has(n) || this.ended)
    const queue = this.#answers.get(n)
    const answer = queue?.shift()
    if (queue?.length === 0) this.#answers.delete(n)
    if (answer === undefined) throw new PeerfoldError('NOT_CONNECTED', 'the session ended')
    if (answer.type !== 'failed') return answer
    throw new PeerfoldError(answer.code, answer.message, { details: { retryAfter: answer.retryAfter } })
  }

  /** Waits until something about this device is so. */
  async until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE
    while (!condition()) {
      const left = deadline - Date.now()
      if (left <= 0) throw new Error('waited in vain')
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, left)
        const waiting = this.#waiting
        function done() {
          clearTimeout(timer)
          waiting.delete(done)
          resolve()
        }
        waiting.add(done)
      })
    }
  }

  async register(
    workspace: TestWorkspace,
    init: Partial<Registration> & { epoch?: never } = {},
    by?: TestEpoch,
  ): Promise<void> {
    const before = workspace.epochs.at(-2)
    const { current } = workspace
    const registration: Registration = {
      handle: workspace.handle,
      epoch: current.id,
      ...current.keys,
      previous: before?.id,
      rotation: undefined,
      ...init,
    }
    const seed = (by ?? before ?? current).seeds.control
    const signature = await signRegistration(crypto, seed, registration)
    await this.ask({ type: 'register', ...registration, signature })
  }

  async open(
    workspace: TestWorkspace,
    role: 'pull' | 'push' = 'push',
    epoch = workspace.current,
  ): Promise<RelayAnswerOf<'opened'>> {
    const { welcome } = this
    if (welcome === undefined) throw new Error('no session')
    const claim = { handle: workspace.handle, epoch: epoch.id, role, time: welcome.time }
    const channel = { relay: this.relay, device: this.peer, nonce: welcome.nonce }
    const signature = await proveAccess(crypto, epoch.seeds[role], channel, claim)
    const opened = await this.ask<RelayAnswerOf<'opened'>>({ type: 'open', ...claim, signature })
    if (opened.role !== 'rotation') {
      this.exchange.attach(workspace.handle, this.store)
      this.exchange.authorize(this.relay, new Set([workspace.handle]))
    }
    return opened
  }

  async push(handle: string, commits: readonly TestCommit[]): Promise<Statement> {
    const envelopes = commits.map(({ bytes }) => bytes)
    const { signed } = await this.ask<RelayAnswerOf<'stored'>>({ type: 'push', handle, envelopes })
    return this.verify(handle, signed)
  }

  async read(handle: string, from = 1): Promise<RelayAnswerOf<'commits'>> {
    return this.ask<RelayAnswerOf<'commits'>>({ type: 'read', handle, from })
  }

  /** Everything from the beginning; checks that the statements follow from what was read. */
  async readAll(handle: string): Promise<string[]> {
    const ids: string[] = []
    let chain = '0'.repeat(64)
    for (let from = 1; ; ) {
      const { envelopes, more, signed } = await this.read(handle, from)
      for (const envelope of envelopes) {
        const id = idOf(envelope)
        chain = nextChain(chain, id)
        ids.push(id)
      }
      const said = await this.verify(handle, signed)
      if (said.next !== ids.length + 1 || said.chain !== chain) throw new Error('the chain does not add up')
      if (!more) return ids
      from = said.next
    }
  }

  /** Offers blocks that this device serves. Gives which were lacking, and the statement. */
  async offer(
    handle: string,
    blocks: readonly TestBlock[],
  ): Promise<{ lacking: boolean[]; stored: Promise<Statement> }> {
    for (const { digest, bytes } of blocks) this.store.give(digest, bytes)
    return this.offerDigests(
      handle,
      blocks.map(({ digest }) => digest),
    )
  }

  async offerDigests(handle: string, digests: Uint8Array[]) {
    const n = this.post({ type: 'offer', handle, digests })
    const answer = (await this.answer(n)) as RelayAnswerOf<'lacking'>
    const lacking = digests.map((_, i) => (((answer.bitmap[i >> 3] ?? 0) << (i & 7)) & 0x80) !== 0)
    const stored = this.answer(n).then((said) =>
      this.verify(handle, (said as RelayAnswerOf<'stored'>).signed),
    )
    stored.catch(() => {})
    return { lacking, stored }
  }

  verify(handle: string, signed: SignedStatement): Promise<Statement> {
    return readStatement(crypto, { relay: this.relay, handle }, signed)
  }

  /** Goes away without a word. */
  async vanish(): Promise<void> {
    this.#stream?.abort(new Error('gone'))
    await this.network.disconnect(this.relay)
    await this.until(() => this.ended)
  }

  async close(): Promise<void> {
    await this.exchange.close()
    await this.network.close()
  }

  async #read(channel: Channel<RelayAnswer | RelayRequest>): Promise<void> {
    try {
      for (let message = await channel.next(); message !== undefined; message = await channel.next()) {
        this.#take(message as RelayAnswer)
        this.#wake()
      }
    } catch {
      // how it ended is told by `bye`, or not at all
    }
    if (this.#channel === channel) this.ended = true
    this.#wake()
  }

  #take(message: RelayAnswer): void {
    if (message.type === 'welcome') this.welcome = message
    else if (message.type === 'bye') this.bye = message
    else if (message.type === 'changed') this.changed.push(message)
    else this.#answers.set(message.n, [...(this.#answers.get(message.n) ?? []), message])
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }
}

/** Id of a commit that was read. */
export function idOf(envelope: Uint8Array): string {
  const [header, ciphertext] = decodeCbor(envelope) as [Uint8Array, Uint8Array]
  return createHash('sha256').update(header).update(ciphertext).digest('hex')
}
