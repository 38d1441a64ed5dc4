import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { endProcess, type Line, Lines } from './running-process.js'

export { isType, type Line } from './running-process.js'

const CLI = fileURLToPath(new URL('../cli/main.js', import.meta.url))

/** As a service would be set up: glibc returns what is freed instead of keeping it for later (docs/decisions/0074). */
export const GLIBC = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
}

/** A device of the demo: a home, a folder, and processes of the `peerfold` command, as a person would run them. */
export class DemoDevice {
  readonly name: string
  readonly home: string
  readonly folder: string
  #running: ChildProcess | undefined
  readonly #children = new Set<ChildProcess>()
  #closed = false
  readonly #lines = new Lines()

  constructor(name: string, directory: string) {
    this.name = name
    this.home = join(directory, name, 'home')
    this.folder = join(directory, name, 'files')
  }

  get pid(): number | undefined {
    return this.#running?.pid
  }

  async prepare(): Promise<void> {
    await mkdir(this.folder, { recursive: true })
  }

  /** Starts a command that stays (`up`, `start`) and resolves when it has printed a line that `ready` accepts. */
  async start(args: readonly string[], ready: (line: Line) => boolean): Promise<Line> {
    const child = this.#spawn([...args, '--listen', '/ip4/127.0.0.1/tcp/0', '--no-mdns'])
    this.#running = child
    const ended = this.#lines.read(this.name, child)
    return await Promise.race([this.waitForLine(ready), ended])
  }

  /** Told of every line that the staying command prints. */
  onLine(listener: (line: Line) => void): () => void {
    return this.#lines.on(listener)
  }

  waitForLine(wanted: (line: Line) => boolean): Promise<Line> {
    return this.#lines.wait(wanted)
  }

  /** Runs a command to its end. @returns the lines it printed */
  async run(...args: string[]): Promise<Line[]> {
    return linesOf(await this.runRaw(...args))
  }

  /** Runs a command to its end, and tells of each line that it prints meanwhile. */
  async runWatched(onLine: (line: Line) => void, ...args: string[]): Promise<void> {
    const lines = new Lines()
    const child = this.#spawn(args)
    lines.on(onLine)
    const ended = lines.read(this.name, child)
    await Promise.race([once(child, 'close'), ended.catch(() => {})])
  }

  async runRaw(...args: string[]): Promise<Buffer> {
    return await this.runWith('', ...args)
  }

  /** Runs a command to its end, with that on its standard input. @returns what it printed */
  async runWith(input: string, ...args: string[]): Promise<Buffer> {
    const child = this.#spawn(args)
    child.stdin?.end(input)
    const output: Buffer[] = []
    let errors = ''
    child.stdout?.on('data', (bytes: Buffer) => output.push(bytes))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })
    const [code] = await once(child, 'close')
    if (code !== 0)
      throw new Error(`peerfold ${args[0]} on ${this.name} ended with ${String(code)}: ${errors.trim()}`)
    return Buffer.concat(output)
  }

  /** Everything on disk has been scanned and is held by all reachable devices and relays. */
  async settle(): Promise<void> {
    await this.run('status', '--wait', '--timeout', '300')
  }

  /** Ends the staying command in order. Idempotent. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#running
    this.#running = undefined
    if (child !== undefined) await endProcess(child, signal)
  }

  /** Ends every process of this device and starts no more. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#children].map((child) => endProcess(child, 'SIGTERM')))
  }

  #spawn(args: readonly string[]): ChildProcess {
    if (this.#closed) throw new Error(`${this.name} is closed`)
    const child = spawn(process.execPath, [CLI, '--home', this.home, '--json', ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...GLIBC },
    })
    // A command that does not read its input may end before it is written.
    child.stdin?.on('error', () => {})
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }
}

function linesOf(output: Buffer): Line[] {
  const texts = output.toString('utf8').split('\n')
  return texts.filter((text) => text !== '').map((text) => JSON.parse(text) as Line)
}
