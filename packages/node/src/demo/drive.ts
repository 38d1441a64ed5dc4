import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { endProcess, isType, Lines } from './running-process.js'

/** The web drive beside this package. It builds on other packages, so the demo knows it as a command only. */
const SERVER = fileURLToPath(new URL('../../../../examples/drive/serve.mjs', import.meta.url))

/** The web drive of the demo: a process that serves the built page. */
export class DemoDrive {
  readonly #lines = new Lines()
  #running: ChildProcess | undefined
  #url: string | undefined

  get url(): string {
    if (this.#url === undefined) throw new Error('the drive was never started')
    return this.#url
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [SERVER], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#running = child
    const ended = this.#lines.read('the drive', child)
    const ready = await Promise.race([this.#lines.wait(isType('ready')), ended])
    this.#url = String(ready.url)
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    const child = this.#running
    this.#running = undefined
    if (child !== undefined) await endProcess(child, 'SIGTERM')
  }

  /** A page that joins by itself with a ticket. What follows `#` stays in the browser. */
  joinUrl(ticket: string): string {
    return `${this.url}#join=${encodeURIComponent(ticket)}`
  }
}
