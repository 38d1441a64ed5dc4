import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { BrowserContext, Locator, Page, Request } from 'playwright'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { fileUrl } from '../../../../packages/browser/src/service-worker/urls.js'
import { parseRoute, type Route } from '../../src/app/route.js'
import { inMB, RendererMemory } from './renderer-memory.js'
import { PATIENCE, row, Stage, upload } from './stage.js'

/** What the drive may cost. Times are printed, not judged: machines that test are busy. */

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url))
/** That one scrolls by at a time. */
const SCREENS = 8
const KB = 1000
const MB = 1000 * KB

/** `npm run test:campaign:drive` takes 1024. */
const UPLOAD_MIB = Number(process.env.PEERFOLD_UPLOAD_MIB ?? 256)
const DOWNLOAD_MIB = 100
const FILES = 10_000

const MEMORY_MAX = 300 * MB
const FIRST_PAINT_MAX = 350 * KB
/** Rows in the document, however many there are in the folder. */
const ROWS_MAX = 200

const machine = () => `${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}`
const report = (line: string) => void process.stdout.write(`drive: ${line}\n`)

/** Random: no part is like another. */
async function makeLarge(path: string, mebibytes: number): Promise<void> {
  await using file = await open(path, 'w')
  for (let n = 0; n < mebibytes; n++) await file.write(randomBytes(1 << 20))
}

describe('what a first visit loads before it paints', () => {
  /** Scripts, modules that they need at once, and styles: what `index.html` names. */
  async function firstPaint(): Promise<{ name: string; bytes: Buffer }[]> {
    const html = await readFile(join(DIST, 'index.html'), 'utf8')
    const names = [...html.matchAll(/<(?:script|link)[^>]+(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(
      ([, name]) => name as string,
    )
    return await Promise.all(names.map(async (name) => ({ name, bytes: await readFile(join(DIST, name)) })))
  }

  test('stays within 350 KB, compressed', async () => {
    const files = await firstPaint()
    expect(files.filter(({ name }) => name.endsWith('.js'))).not.toEqual([])
    expect(files.filter(({ name }) => name.endsWith('.css'))).not.toEqual([])
    const page = gzipSync(await readFile(join(DIST, 'index.html'))).length
    const total = files.reduce((sum, { bytes }) => sum + gzipSync(bytes).length, page)
    report(`first paint loads ${files.length + 1} files, ${(total / KB).toFixed(0)} KB with gzip`)
    expect(total).toBeLessThanOrEqual(FIRST_PAINT_MAX)
  })

  /** Texts that each library says or speaks, whatever a minifier does to it. */
  const TRACES = ['/multistream/1.0.0', '/yamux/1.0.0', 'Yjs was already imported']

  test('has neither libp2p nor Yjs in it: these lie in the device’s worker', async () => {
    const assets = await readdir(join(DIST, 'assets'))
    const worker = assets.find((name) => name.startsWith('device-worker-')) as string
    const inWorker = await readFile(join(DIST, 'assets', worker))
    const files = await firstPaint()
    for (const trace of TRACES) {
      expect(inWorker.includes(trace), `${worker} has ${trace}`).toBe(true)
      expect(files.filter(({ bytes }) => bytes.includes(trace)).map(({ name }) => name)).toEqual([])
    }
  })
})

describe('a drive with much in it', { timeout: 300_000 }, () => {
  let stage: Stage
  let page: Page
  beforeAll(async () => {
    stage = await Stage.open()
    page = await stage.join(await stage.newProfile())
  }, 120_000)
  afterAll(() => stage[Symbol.asyncDispose]())
  afterEach(() => expect(stage.complaints.splice(0)).toEqual([]))

  test(`uploads a file of ${UPLOAD_MIB} MiB in at most 300 MB of memory`, {
    timeout: UPLOAD_MIB * 1_000 + 120_000,
  }, async () => {
    const name = `upload-${process.pid}.bin`
    const file = join(tmpdir(), name)
    await makeLarge(file, UPLOAD_MIB)
    try {
      await using memory = await RendererMemory.of(page.context())
      const before = await memory.now()
      const start = performance.now()
      memory.watch()
      await upload(page, [file])
      await expect
        .poll(() => stage.sizeOnDisk(name), { timeout: UPLOAD_MIB * 1_000 + 60_000, interval: 200 })
        .toBe(UPLOAD_MIB << 20)
      const seconds = (performance.now() - start) / 1000
      report(
        `an upload of ${UPLOAD_MIB} MiB takes ${inMB(memory.peak)} of memory at its peak, ${inMB(memory.peak - before)} more than before, ` +
          `and ${seconds.toFixed(0)} s until it lies on a device's disk; ${machine()}`,
      )
      expect(memory.peak).toBeGreaterThan(0)
      expect(memory.peak).toBeLessThanOrEqual(MEMORY_MAX)
    } finally {
      await rm(file, { force: true })
    }
  })

  test(`downloads ${DOWNLOAD_MIB} MiB from the relay over HTTP, through the service worker`, async () => {
    const name = 'film.bin'
    const made = `${stage.laptop.folder}-${name}`
    await makeLarge(made, DOWNLOAD_MIB)
    await rename(made, stage.onDisk(name))
    await row(page, name).waitFor()
    await stage.laptop.settle()
    // A browser that has nothing of it yet.
    const profile = await stage.newProfile()
    const blocks = watchBlocks(profile)
    const visitor = await stage.join(profile)
    await row(visitor, name).waitFor()
    expect(await download(visitor, name)).toBe(DOWNLOAD_MIB << 20)
    const end = performance.now()
    const rate = (DOWNLOAD_MIB << 20) / (end - blocks.start) / KB
    expect(await download(visitor, name)).toBe(DOWNLOAD_MIB << 20)
    const again = (DOWNLOAD_MIB << 20) / (performance.now() - end) / KB
    // A block or two may come another way, before the relay's ticket does.
    await expect.poll(() => blocks.bytes, PATIENCE).toBeGreaterThan(0.9 * (DOWNLOAD_MIB << 20))
    report(
      `${DOWNLOAD_MIB} MiB come into the page from a relay over HTTP at ${rate.toFixed(0)} MB/s, ` +
        `and again from the browser's own storage at ${again.toFixed(0)} MB/s; ${machine()}`,
    )
    await profile.close()
  })

  test(`opens a folder of ${FILES} files and scrolls to its end`, async () => {
    // Made beside the folder and moved into it at once.
    const made = `${stage.laptop.folder}-many`
    await mkdir(made)
    for (let n = 0; n < FILES; n++) await writeFile(join(made, nameOf(n)), '')
    await rename(made, stage.onDisk('many'))
    await row(page, 'many').waitFor()
    await stage.laptop.settle()

    await watchLongTasks(page)
    const start = performance.now()
    await row(page, 'many').dblclick()
    const grid = page.getByRole('grid', { name: 'Content of many' })
    await row(page, nameOf(0)).waitFor()
    await expect.poll(() => grid.getAttribute('aria-rowcount'), PATIENCE).toBe(String(FILES))
    const openMs = performance.now() - start
    const opening = await longestTask(page)

    const { rows, frames, ms } = await scrollToEnd(grid)
    await row(page, nameOf(FILES - 1)).waitFor()
    const scrolling = await longestTask(page)
    report(
      `a folder of ${FILES} files opens in ${openMs.toFixed(0)} ms, and scrolls at ${((frames / ms) * 1000).toFixed(0)} frames/s ` +
        `with at most ${rows} rows in the document; longest task ${opening.toFixed(0)} ms while it opens, ${scrolling.toFixed(0)} ms while it scrolls; ${machine()}`,
    )
    expect(rows).toBeGreaterThan(0)
    expect(rows).toBeLessThan(ROWS_MAX)
  })
})

const nameOf = (n: number) => `file ${String(n).padStart(5, '0')}.txt`

/** What a browser's devices ask of relays over HTTP (PROTOCOL.md §10.8). */
function watchBlocks(profile: BrowserContext): { start: number; bytes: number } {
  const seen = { start: Number.NaN, bytes: 0 }
  const isBlocks = (request: Request) => new URL(request.url()).pathname.startsWith('/v1/blocks/')
  profile.on('request', (request) => {
    if (Number.isNaN(seen.start) && isBlocks(request)) seen.start = performance.now()
  })
  profile.on('requestfinished', (request) => {
    if (!isBlocks(request)) return
    const sizes = request.sizes()
    sizes.then(
      ({ responseBodySize }) => {
        seen.bytes += responseBodySize
      },
      // The browser was closed.
      () => {},
    )
  })
  return seen
}

/** Drains a file in the page, as it comes. @returns its bytes */
async function download(page: Page, path: string): Promise<number> {
  const link = page.getByRole('navigation', { name: 'Workspaces' }).getByRole('link').first()
  const { workspace } = parseRoute((await link.getAttribute('href')) ?? '') as Route
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null)
  return await page.evaluate(
    async (url) => {
      const response = await fetch(url)
      if (!response.ok) throw new Error(await response.text())
      let bytes = 0
      const reader = (response.body as ReadableStream<Uint8Array>).getReader()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return bytes
        bytes += value.length
      }
    },
    fileUrl(workspace, path),
  )
}

type Watched = typeof globalThis & { longestTask: number }

async function watchLongTasks(page: Page): Promise<void> {
  await page.evaluate(() => {
    const watched = globalThis as Watched
    watched.longestTask = 0
    const observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries())
        watched.longestTask = Math.max(watched.longestTask, duration)
    })
    observer.observe({ type: 'longtask' })
  })
}

/** Since it was asked last: for how long the page could answer nobody, in milliseconds; 0 when never longer than 50. */
async function longestTask(page: Page): Promise<number> {
  return await page.evaluate(() => {
    const watched = globalThis as Watched
    const longest = watched.longestTask
    watched.longestTask = 0
    return longest
  })
}

/** As fast as it is drawn, several screens at a time. @returns most rows in the document, frames drawn, and how long it took */
async function scrollToEnd(grid: Locator): Promise<{ rows: number; frames: number; ms: number }> {
  return await grid.evaluate(async (element, screens) => {
    const start = performance.now()
    let rows = 0
    let frames = 0
    while (element.scrollTop + element.clientHeight < element.scrollHeight - 1) {
      element.scrollTop += screens * element.clientHeight
      await new Promise((resolve) => requestAnimationFrame(resolve))
      rows = Math.max(rows, element.querySelectorAll('[role=row]').length)
      frames++
    }
    return { rows, frames, ms: performance.now() - start }
  }, SCREENS)
}
