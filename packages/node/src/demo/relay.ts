import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { GLIBC } from './device.js'
import { endProcess, isType, Lines } from './running-process.js'

/** The package beside this one. It builds on this one, so the demo knows it as a command only. */
const CLI = fileURLToPath(new URL('../../../relay/dist/cli.js', import.meta.url))

/** For devices, and for browsers. */
const ANY_PORTS = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws']

/** The relay of the demo: a process of the `peerfold-relay` command, with its data and its logs in one directory. */
export class DemoRelay {
  /** All that the relay ever wrote lies below. */
  readonly directory: string
  readonly #lines = new Lines()
  readonly #open: boolean
  #running: ChildProcess | undefined
  /** The first is for devices, the others are for browsers. */
  #addresses: string[] = []

  /** @param options.open whether it keeps anything for whoever asks. @default true */
  constructor(name: string, directory: string, { open = true } = {}) {
    this.#open = open
    this.directory = join(directory, name)
  }

  get pid(): number | undefined {
    return this.#running?.pid
  }

  /** Ends in `/p2p/…`. The same after it was started again. */
  get address(): string {
    const [address] = this.#addresses
    if (address === undefined) throw new Error('the relay was never started')
    return address
  }

  /** For browsers. */
  get webSocketAddress(): string {
    return this.#addresses.find((address) => address.includes('/ws/')) ?? this.address
  }

  /** Idempotent. */
  async start(): Promise<void> {
    if (this.#running !== undefined) return
    await mkdir(this.directory, { recursive: true })
    const before = this.#addresses.map((address) => address.replace(/\/p2p\/.*/, ''))
    const args = ['start', '--json', '--data', join(this.directory, 'data')]
    if (this.#open) args.push('--open')
    args.push('--listen', ...(before.length > 0 ? before : ANY_PORTS), '--http', '127.0.0.1:0')
    const child = spawn(process.execPath, [CLI, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...GLIBC },
    })
    this.#running = child
    child.stderr.pipe(createWriteStream(join(this.directory, 'log'), { flags: 'a' }))
    const ended = this.#lines.read('the relay', child)
    const ready = await Promise.race([this.#lines.wait(isType('ready')), ended])
    this.#addresses = (ready.addresses as string[]).toSorted((a, b) => a.length - b.length)
  }

  /** Idempotent. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#running
    this.#running = undefined
    if (child !== undefined) await endProcess(child, signal)
  }
}
