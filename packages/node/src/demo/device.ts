import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const CLI = fileURLToPath(new URL('../cli/main.js', import.meta.url))

/** As a service would be set up: glibc returns what is freed instead of keeping it for later (docs/decisions/0074). */
const GLIBC = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' }

/** A line that `peerfold --json` printed. */
export type Line = Record<string, unknown>

/** A device of the demo: a home, a folder, and processes of the `peerfold` command, as a person would run them. */
export class DemoDevice {
  readonly name: string
  readonly home: string
  readonly folder: string
  #running: ChildProcess | undefined
  readonly #children = new Set<ChildProcess>()
  #closed = false
  #lines: Line[] = []
  #listeners = new Set<(line: Line) => void>()

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
    this.#lines = []
    const first = this.waitForLine(ready)
    let errors = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (text) =>
      this.#take(JSON.parse(text) as Line),
    )
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`${this.name} stopped with exit code ${String(code)}: ${errors.trim()}`)
    })
    ended.catch(() => {})
    return await Promise.race([first, ended])
  }

  /** Told of every line that the staying command prints. */
  onLine(listener: (line: Line) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  waitForLine(wanted: (line: Line) => boolean): Promise<Line> {
    const seen = this.#lines.find(wanted)
    if (seen !== undefined) return Promise.resolve(seen)
    return new Promise((resolve) => {
      const stop = this.onLine((line) => {
        if (!wanted(line)) return
        stop()
        resolve(line)
      })
    })
  }

  /** Runs a command to its end. @returns the lines it printed */
  async run(...args: string[]): Promise<Line[]> {
    const output = await this.runRaw(...args)
    return output
      .toString('utf8')
      .split('\n')
      .filter((text) => text !== '')
      .map((text) => JSON.parse(text) as Line)
  }

  async runRaw(...args: string[]): Promise<Buffer> {
    const child = this.#spawn(args)
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

  /** Everything on disk has been scanned and is held by all reachable devices. */
  async settle(): Promise<void> {
    await this.run('status', '--wait', '--timeout', '300')
  }

  /** Ends the staying command in order. Idempotent. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#running
    this.#running = undefined
    if (child !== undefined) await end(child, signal)
  }

  /** Ends every process of this device and starts no more. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#children].map((child) => end(child, 'SIGTERM')))
  }

  #take(line: Line): void {
    this.#lines.push(line)
    if (this.#lines.length > 1000) this.#lines.shift()
    for (const listener of [...this.#listeners]) listener(line)
  }

  #spawn(args: readonly string[]): ChildProcess {
    if (this.#closed) throw new Error(`${this.name} is closed`)
    const child = spawn(process.execPath, [CLI, '--home', this.home, '--json', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...GLIBC },
    })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

export function isType(type: string): (line: Line) => boolean {
  return (line) => line.type === type
}
