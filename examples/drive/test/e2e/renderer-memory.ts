import { readFile } from 'node:fs/promises'
import type { BrowserContext, CDPSession } from 'playwright'

/** What is looked at this often: a peak that comes and goes in between is not seen. */
const LOOK_MS = 200

/** Private memory (anonymous pages in RAM) of all processes in which a browser's pages, their workers and service workers run, in bytes. */
export class RendererMemory implements AsyncDisposable {
  readonly #session: CDPSession
  #running = true
  #watching: Promise<void> = Promise.resolve()
  peak = 0

  private constructor(session: CDPSession) {
    this.#session = session
  }

  /** @param profile a browser of its own: see `Stage.newProfile` */
  static async of(profile: BrowserContext): Promise<RendererMemory> {
    const browser = profile.browser()
    if (browser === null) throw new Error('a browser of its own is needed')
    return new RendererMemory(await browser.newBrowserCDPSession())
  }

  async now(): Promise<number> {
    const { processInfo } = await this.#session.send('SystemInfo.getProcessInfo')
    const renderers = processInfo.filter(({ type }) => type === 'renderer')
    const sizes = await Promise.all(renderers.map(({ id }) => pageBytes(id)))
    return sizes.reduce((sum, size) => sum + size, 0)
  }

  /** Keeps `peak` from now on. */
  watch(): void {
    this.#watching = this.#watch()
  }

  async #watch(): Promise<void> {
    while (this.#running) {
      this.peak = Math.max(this.peak, await this.now())
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running = false
    await this.#watching
    await this.#session.detach()
  }
}

/** 0 for a process that has just ended, and for those in which the browser draws its own toolbars. */
async function pageBytes(pid: number): Promise<number> {
  const [command, status] = await Promise.all(
    ['cmdline', 'status'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')),
  )
  if (command?.includes('--top-chrome-webui')) return 0
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status ?? '')?.[1] ?? 0) * 1024
}

export const inMB = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`
