import { randomBytes } from 'node:crypto'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright'
import sirv from 'sirv'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { seriousBarriers } from './barriers.js'
import { PATIENCE, row, Stage, textFile, upload } from './stage.js'

/** How the drive starts: without a network, from the phrase alone, on a phone, after its tab died, and as a newer build. */

let stage: Stage
beforeAll(async () => {
  stage = await Stage.open()
  await writeFile(stage.onDisk('note.txt'), 'at home\n')
}, 120_000)
afterAll(() => stage[Symbol.asyncDispose]())
afterEach(() => expect(stage.complaints.splice(0)).toEqual([]))

describe('the drive', { timeout: 120_000 }, () => {
  test('starts without any network, shows its files, and says so', async () => {
    const page = await stage.join()
    await row(page, 'note.txt').dblclick()
    await page.getByTestId('preview').getByText('at home').waitFor()
    await page.evaluate(() => navigator.serviceWorker.ready)
    await stage.relay.stop()
    await page.context().setOffline(true)
    await page.reload()
    await row(page, 'note.txt').waitFor()
    await page.getByTestId('status').first().filter({ hasText: 'Not connected' }).waitFor()
    await row(page, 'note.txt').dblclick()
    await page.getByTestId('preview').getByText('at home').waitFor()
    await page.keyboard.press('Escape')
    await upload(page, [textFile('written offline.txt', 'later\n')])
    await row(page, 'written offline.txt').waitFor()

    await page.context().setOffline(false)
    await stage.relay.start()
    await page.getByTestId('status').first().filter({ hasText: 'In sync' }).waitFor()
    await stage.expectOnDisk('written offline.txt', 'later\n')
    // Who could not be reached is no fault of the page.
    stage.complaints.splice(0)
    await page.context().close()
  })

  test('gets everything back from the recovery phrase and a relay', async () => {
    const page = await stage.newTab(await stage.newBrowser())
    await page.goto(stage.drive.url)
    await page.getByRole('button', { name: 'Recover with my phrase' }).click()
    await page.getByLabel('Recovery phrase').fill(stage.phrase)
    await page.getByText('24 of 24 words').waitFor()
    await page.getByLabel('Address of your relay').fill(stage.relay.webSocketAddress)
    await page.getByRole('button', { name: 'Recover' }).click()
    await row(page, 'note.txt').dblclick()
    await page.getByTestId('preview').getByText('at home').waitFor()
    await page.context().close()
  })

  test('shows a PDF', async () => {
    await writeFile(stage.onDisk('contract.pdf'), makePdf())
    const page = await stage.join()
    const shown = page.waitForResponse((response) => response.url().includes('contract.pdf'))
    await row(page, 'contract.pdf').dblclick()
    const response = await shown
    expect(response.status()).toBe(200)
    expect(response.headers()['content-type']).toBe('application/pdf')
    // Chromium's viewer: it is there once it has understood the file.
    const viewers = () =>
      page.frames().map((frame) => frame.locator('embed[type="application/x-google-chrome-pdf"]').count())
    await expect.poll(async () => Math.max(...(await Promise.all(viewers()))), PATIENCE).toBe(1)
    await page.context().close()
  })

  test('goes on with an upload whose tab was killed before it was taken in, when its file is chosen again', async () => {
    const page = await stage.join()
    const context = page.context()
    const directory = join(stage.laptop.home, '..', 'to upload')
    await mkdir(directory)
    // A few at a time are taken in: the last waits for all before it.
    const contents = Array.from({ length: 16 }, () => randomBytes(4_000_000))
    const paths = contents.map((_, n) => join(directory, `part ${n + 10}.bin`))
    await Promise.all(paths.map((path, n) => writeFile(path, contents[n] as Buffer)))
    await upload(page, paths)
    await page.getByRole('progressbar', { name: 'Progress of part' }).first().waitFor()
    const session = await context.newCDPSession(page)
    // It never answers.
    void session.send('Page.crash').catch(() => {})
    await new Promise((resolve) => page.once('crash', resolve))

    const again = await stage.newTab(context)
    await again.goto(stage.drive.url)
    await again.getByText(/^\d+ uploads were interrupted/).waitFor()
    await again
      .getByRole('button', { name: /^Choose part/ })
      .first()
      .waitFor()
    await again.getByTestId('resume-input').setInputFiles(paths)
    for (const [n, content] of contents.entries()) {
      const name = `part ${n + 10}.bin`
      await expect.poll(() => stage.sizeOnDisk(name), PATIENCE).toBe(content.length)
      expect(content.equals(await readFile(stage.onDisk(name)))).toBe(true)
    }
    await again.getByText(/saved$/).waitFor()
    await context.close()
  })

  test('says when a newer build is ready, and becomes it', async () => {
    await using site = await openSite()
    const page = await stage.newTab(await stage.newBrowser())
    await page.goto(site.url)
    await page.getByText('Join my other devices').waitFor()
    await page.evaluate(() => navigator.serviceWorker.ready)
    await site.publish('Drive of tomorrow')
    await page.reload()
    await page.getByText('A new version of the drive is ready').waitFor()
    expect(await page.title()).not.toBe('Drive of tomorrow')
    await page.getByRole('button', { name: 'Use it now' }).click()
    await page.waitForFunction(() => document.title === 'Drive of tomorrow')
    await page.getByText('Join my other devices').waitFor()
    await page.context().close()
  })
})

describe('on a phone', { timeout: 120_000 }, () => {
  test('the drive can be used with a thumb, and nothing reaches beyond the screen', async () => {
    await mkdir(stage.onDisk('Recipes'))
    await writeFile(stage.onDisk(`Recipes/${'A recipe with a very long name '.repeat(4)}.md`), '# Soup\n')
    await stage.laptop.run('put', stage.onDisk('note.txt'), 'thrown away.txt')
    await stage.laptop.run('rm', 'thrown away.txt')
    const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }
    const page = await stage.join(await stage.newBrowser(phone))
    const findings: string[] = []
    const look = async (where: string) => {
      for (const barrier of await seriousBarriers(page)) findings.push(`${where}: ${barrier}`)
      if (await isTooWide(page)) findings.push(`${where}: wider than the screen`)
    }
    await row(page, 'note.txt').waitFor()
    await look('list')
    await page.getByRole('button', { name: 'Actions for note.txt' }).tap()
    await page.getByRole('menuitem', { name: 'Versions…' }).waitFor()
    await look('menu')
    await page.getByRole('menuitem', { name: 'Versions…' }).tap()
    await page.getByText('Present', { exact: true }).waitFor()
    await look('versions')
    await page.getByRole('button', { name: 'Close' }).tap()
    await row(page, 'Recipes').tap()
    await row(page, 'A recipe').waitFor()
    await look('folder')
    await row(page, 'A recipe').tap()
    await page.getByTestId('preview').getByText('Soup').waitFor()
    await look('preview')
    await page.getByRole('button', { name: 'Close' }).tap()
    await page.getByTestId('status').tap()
    await page.getByText('Storage in this browser').waitFor()
    await look('status')
    await page.getByRole('button', { name: 'Close' }).tap()
    await page.getByRole('button', { name: 'Workspaces' }).tap()
    await page.getByRole('link', { name: 'Deleted files' }).waitFor()
    await look('drawer')
    await page.getByRole('link', { name: 'Deleted files' }).tap()
    await page.getByRole('row', { name: 'thrown away.txt' }).waitFor()
    await look('deleted files')
    await page.getByRole('button', { name: 'Restore thrown away.txt' }).tap()
    await page.getByText('No deleted files').waitFor()
    await look('no deleted files')
    expect(findings).toEqual([])
    await page.context().close()
  })
})

function isTooWide(page: Page): Promise<boolean> {
  return page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)
}

/** A page of nothing, as the format asks for it at the least. */
function makePdf(): Buffer {
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>',
  ]
  let text = '%PDF-1.4\n'
  const offsets = objects.map((object, n) => {
    const offset = text.length
    text += `${n + 1} 0 obj\n${object}\nendobj\n`
    return `${String(offset).padStart(10, '0')} 00000 n \n`
  })
  const table = `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${offsets.join('')}`
  const trailer = `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${text.length}\n%%EOF\n`
  return Buffer.from(text + table + trailer)
}

interface Site extends AsyncDisposable {
  url: string
  /** Puts another build in place of the present one. */
  publish(title: string): Promise<void>
}

/** The built drive on a server of its own, on which it can be replaced. */
async function openSite(): Promise<Site> {
  const directory = await mkdtemp(join(tmpdir(), 'drive-site-'))
  await cp(fileURLToPath(new URL('../../dist/', import.meta.url)), directory, { recursive: true })
  const server = createServer(sirv(directory, { dev: true, single: true }))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const edit = async (name: string, change: (text: string) => string) => {
    const path = join(directory, name)
    const before = await readFile(path, 'utf8')
    const after = change(before)
    expect(after).not.toBe(before)
    await writeFile(path, after)
  }
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    async publish(title) {
      await edit('index.html', (html) => html.replace(/<title>[^<]*/, `<title>${title}`))
      await edit('service-worker.js', (script) =>
        script.replace(/drive\/[0-9a-f]{16}/, 'drive/another-build'),
      )
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(directory, { recursive: true })
    },
  }
}
