import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { seriousBarriers } from './barriers.js'
import { PATIENCE, row, Stage, upload } from './stage.js'

/** What people see and hear in the drive, and what becomes of it when a tab dies. */

let stage: Stage
beforeAll(async () => {
  stage = await Stage.open()
}, 120_000)
afterAll(() => stage[Symbol.asyncDispose]())
afterEach(() => expect(stage.complaints.splice(0)).toEqual([]))

/** An hour of silence and a click, 8 kHz, 8 bits: 28.8 MB. */
function makeSound(): Buffer {
  const seconds = 3600
  const rate = 8000
  const head = Buffer.alloc(44)
  head.write('RIFF', 0)
  head.writeUInt32LE(36 + seconds * rate, 4)
  head.write('WAVEfmt ', 8)
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(1, 22)
  head.writeUInt32LE(rate, 24)
  head.writeUInt32LE(rate, 28)
  head.writeUInt16LE(1, 32)
  head.writeUInt16LE(8, 34)
  head.write('data', 36)
  head.writeUInt32LE(seconds * rate, 40)
  // Noise: blocks of silence would all be one.
  return Buffer.concat([head, randomBytes(seconds * rate)])
}

/** What Chromium itself records: two seconds of a picture that changes. */
async function makeVideo(page: Page): Promise<Buffer> {
  const bytes = await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 120 })
    const context = canvas.getContext('2d') as CanvasRenderingContext2D
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: 'video/webm' })
    const pieces: Blob[] = []
    recorder.ondataavailable = ({ data }) => pieces.push(data)
    const stopped = new Promise((resolve) => {
      recorder.onstop = resolve
    })
    recorder.start()
    for (let n = 0; n < 50; n++) {
      context.fillStyle = `hsl(${n * 7} 80% 50%)`
      context.fillRect(0, 0, 160, 120)
      await new Promise((resolve) => setTimeout(resolve, 40))
    }
    recorder.stop()
    await stopped
    return [...new Uint8Array(await new Blob(pieces).arrayBuffer())]
  })
  return Buffer.from(bytes)
}

/** Ranges that the page asked its service worker for. */
function watchRanges(page: Page): string[] {
  const ranges: string[] = []
  page.on('response', (response) => {
    const range = response.headers()['content-range']
    if (response.status() === 206 && range !== undefined) ranges.push(range)
  })
  return ranges
}

describe('the drive', { timeout: 120_000 }, () => {
  test('plays a video, and seeks in a long recording by ranges', async () => {
    await writeFile(stage.onDisk('a long recording.wav'), makeSound())
    const page = await stage.join()
    await upload(page, [{ name: 'a clip.webm', mimeType: 'video/webm', buffer: await makeVideo(page) }])
    await row(page, 'a clip.webm').dblclick()
    const video = page.locator('video')
    await expect
      .poll(
        () => video.evaluate((element: HTMLVideoElement) => [element.videoWidth, element.ended]),
        PATIENCE,
      )
      .toEqual([160, true])
    await page.keyboard.press('Escape')

    const ranges = watchRanges(page)
    await row(page, 'a long recording.wav').dblclick()
    const audio = page.locator('audio')
    await expect
      .poll(() => audio.evaluate((element: HTMLAudioElement) => element.duration), PATIENCE)
      .toBeCloseTo(3600, 0)
    await audio.evaluate((element: HTMLAudioElement) => {
      element.currentTime = 3_590
    })
    await expect
      .poll(
        () => audio.evaluate((element: HTMLAudioElement) => element.seeking || element.currentTime),
        PATIENCE,
      )
      .toBeGreaterThan(3_590)
    const starts = ranges.map((range) => Number(/bytes (\d+)-/.exec(range)?.[1]))
    expect(Math.max(...starts)).toBeGreaterThan(20_000_000)
    await page.context().close()
  })

  test('goes on with an upload whose tab was killed in the middle', async () => {
    const page = await stage.join()
    const path = join(stage.laptop.home, '..', 'killed.bin')
    const content = randomBytes(60_000_000)
    await writeFile(path, content)
    const name = 'killed.bin'
    await upload(page, [path])
    await page.getByTestId('transfers').getByText(name).waitFor()
    await page.getByRole('progressbar', { name: `Progress of ${name}` }).waitFor()
    const killed = await page.context().newCDPSession(page)
    const context = page.context()
    // It never answers.
    void killed.send('Page.crash').catch(() => {})
    await new Promise((resolve) => page.once('crash', resolve))
    const again = await stage.newTab(context)
    await again.goto(stage.drive.url)
    await again.getByRole('navigation', { name: 'Workspaces' }).waitFor()
    // Taken in already, or to be chosen once more: the browser gives no file to a page that did not ask for it.
    const choose = again.getByRole('button', { name: `Choose ${name}` })
    const there = row(again, name).first()
    await choose.or(there).first().waitFor()
    if (await choose.isVisible()) await again.getByTestId('resume-input').setInputFiles([path])
    await expect.poll(() => stage.sizeOnDisk(name), { timeout: 100_000 }).toBe(content.length)
    const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
    expect(hash(await readFile(stage.onDisk(name)))).toBe(hash(content))
    await context.close()
  })

  test('has nothing serious that a screen reader or a keyboard would stumble over', async () => {
    const findings: string[] = []
    const look = async (page: Page, where: string) => {
      for (const barrier of await seriousBarriers(page)) findings.push(`${where}: ${barrier}`)
    }
    const fresh = await stage.newTab(await stage.newBrowser())
    await fresh.goto(stage.drive.url)
    await fresh.getByText('Join my other devices').waitFor()
    await look(fresh, 'welcome')
    await fresh.context().close()

    const page = await stage.join()
    await row(page, 'a clip.webm').waitFor()
    await look(page, 'list')
    await page.getByRole('radio', { name: 'Grid' }).click()
    await look(page, 'grid')
    await page.getByTestId('status').first().click()
    await page.getByRole('dialog').waitFor()
    await look(page, 'status')
    await page.keyboard.press('Escape')
    await page.emulateMedia({ colorScheme: 'dark' })
    await look(page, 'grid, dark')
    await page.setViewportSize({ width: 390, height: 844 })
    await look(page, 'phone, dark')
    expect(findings).toEqual([])
    await page.context().close()
  })
})
