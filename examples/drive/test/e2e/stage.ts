import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright'
import { expect } from 'vitest'
import { DemoDevice, isType } from '../../../../packages/node/dist/demo/device.js'
import { DemoDrive } from '../../../../packages/node/dist/demo/drive.js'
import { DemoRelay } from '../../../../packages/node/dist/demo/relay.js'
import { findChromium } from '../../../../scripts/chromium.mjs'

/** What may take long here: another machine is slower, or busy. */
export const PATIENCE = { timeout: 60_000 }

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync']
const VIEWPORT = { width: 1280, height: 800 }

/** A device with a folder, a relay, and the built drive, all real processes; and Chromium, with which people look at the drive. */
export class Stage implements AsyncDisposable {
  readonly laptop: DemoDevice
  readonly relay: DemoRelay
  readonly drive = new DemoDrive()
  /** What the pages complained of. */
  readonly complaints: string[] = []
  readonly #directory: string
  readonly #browser: Browser
  readonly #profiles: BrowserContext[] = []
  #phrase = ''

  private constructor(directory: string, browser: Browser, keeps: boolean) {
    this.#directory = directory
    this.#browser = browser
    this.laptop = new DemoDevice('laptop', directory)
    this.relay = new DemoRelay('relay', directory, { open: keeps })
  }

  /** @param options.keeps whether the relay keeps anything, or only lets peers meet. @default true */
  static async open({ keeps = true } = {}): Promise<Stage> {
    const directory = await mkdtemp(join(tmpdir(), 'drive-test-'))
    const browser = await chromium.launch({ executablePath: await findChromium(), args: FLAGS })
    const stage = new Stage(directory, browser, keeps)
    try {
      await stage.#start()
      return stage
    } catch (error) {
      await stage[Symbol.asyncDispose]()
      throw error
    }
  }

  /** 24 words, from which the laptop's person gets everything back. */
  get phrase(): string {
    return this.#phrase
  }

  async #start(): Promise<void> {
    const { laptop, relay, drive } = this
    await laptop.prepare()
    await Promise.all([relay.start(), drive.start()])
    const [made] = await laptop.run('init', '--name', 'laptop')
    this.#phrase = String(made?.phrase)
    await laptop.run('relay', 'add', relay.address)
    await laptop.start(['up', laptop.folder], isType('ready'))
  }

  /** A browser of its own: nothing is shared with the others but the machine. */
  async newBrowser(options: BrowserContextOptions = { viewport: VIEWPORT }): Promise<BrowserContext> {
    return await this.#browser.newContext(options)
  }

  /** A browser process of its own with its profile on the disk, as people have it: others keep what pages store in memory, and give little room. */
  async newProfile(): Promise<BrowserContext> {
    const profile = await chromium.launchPersistentContext(await mkdtemp(join(this.#directory, 'profile-')), {
      executablePath: await findChromium(),
      args: FLAGS,
      viewport: VIEWPORT,
    })
    this.#profiles.push(profile)
    return profile
  }

  /** A tab whose complaints are kept. */
  async newTab(context: BrowserContext): Promise<Page> {
    const page = await context.newPage()
    page.setDefaultTimeout(PATIENCE.timeout)
    page.on('pageerror', (error) => this.complaints.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text())
    })
    return page
  }

  /** A ticket that works once. */
  async ticket(): Promise<string> {
    return await new Promise((resolve, reject) => {
      const onLine = ({ ticket }: Record<string, unknown>) => {
        if (typeof ticket === 'string') resolve(ticket)
      }
      this.laptop.runWatched(onLine, 'invite').catch(reject)
    })
  }

  /** A new browser whose user has clicked on an invitation of the laptop. */
  async join(context?: BrowserContext): Promise<Page> {
    const page = await this.newTab(context ?? (await this.newBrowser()))
    await page.goto(this.drive.joinUrl(await this.ticket()))
    await page.getByRole('button', { name: 'Join' }).click()
    // In the sidebar, and above the files on phones.
    await page.getByTestId('status').first().waitFor()
    return page
  }

  onDisk(path: string): string {
    return join(this.laptop.folder, path)
  }

  /** Waits until the laptop's disk shows a file with this content. */
  async expectOnDisk(path: string, content: string): Promise<void> {
    await expect
      .poll(() => readFile(this.onDisk(path), 'utf8').catch(() => undefined), PATIENCE)
      .toBe(content)
  }

  async sizeOnDisk(path: string): Promise<number | undefined> {
    return (await stat(this.onDisk(path)).catch(() => undefined))?.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#browser.close(), ...this.#profiles.map((profile) => profile.close())])
    await Promise.all([this.laptop.close(), this.relay.stop(), this.drive.stop()])
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** An item as the folder shows it. */
export function row(page: Page, name: string) {
  return page.getByRole('grid', { name: 'Content of' }).getByRole('row', { name })
}

/** Gives files to the page as its file picker does. */
export async function upload(
  page: Page,
  files: Array<{ name: string; mimeType: string; buffer: Buffer }> | string[],
): Promise<void> {
  await page.getByTestId('upload-files').setInputFiles(files as string[])
}

export function textFile(name: string, text: string) {
  return { name, mimeType: 'text/plain', buffer: Buffer.from(text) }
}
