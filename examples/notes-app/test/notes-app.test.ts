import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AxeBuilder } from '@axe-core/playwright'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright'
import sirv from 'sirv'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningRelay, runRelay } from '../../../packages/relay/test/relay-process.js'
import { needChromium } from '../../../scripts/chromium.mjs'

const DIST = fileURLToPath(new URL('../dist/', import.meta.url))
/** Dialling, pairing and syncing take their time on busy machines. */
const PATIENCE_MS = 60_000
const soon = <T>(read: () => T) => expect.poll(read, { timeout: PATIENCE_MS })

/** A picture of 2 × 2 pixels. */
const PICTURE = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGP8z8Dwn4GBgYmBgYGBgQEAHhcCAh0nZ/wAAAAASUVORK5CYII=',
  'base64',
)
/** Of many blocks, none of which is like another. */
const RECORDING = Buffer.from(
  Uint32Array.from({ length: 500_000 }, (_, i) => Math.imul(i, 2654435761)).buffer,
)

async function writeNote(page: Page, text: string): Promise<void> {
  const editor = page.getByLabel('Text of the note')
  await page.getByRole('button', { name: 'New note' }).click()
  // Another one may be open until then.
  await soon(async () => (await editor.count()) > 0 && (await editor.inputValue())).toBe('')
  await editor.fill(text)
  await page.getByText('Saved', { exact: true }).waitFor()
}

const noteNamed = (page: Page, title: string) =>
  page.getByRole('navigation').getByRole('button', { name: title })

describe('the notes app in two browsers', { timeout: 180_000 }, () => {
  let directory: string
  let relay: RunningRelay
  let server: Server
  let url: string
  let browser: Browser
  const contexts: BrowserContext[] = []
  const complaints: string[] = []

  /** Another context is another browser: it has a storage of its own. */
  async function openApp(search = ''): Promise<Page> {
    const context = await browser.newContext()
    contexts.push(context)
    const page = await context.newPage()
    page.setDefaultTimeout(PATIENCE_MS)
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
    })
    page.on('pageerror', ({ message }) => complaints.push(message))
    page.on('dialog', (dialog) => void dialog.accept())
    await page.goto(url + search)
    return page
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'notes-app-'))
    relay = await runRelay(join(directory, 'relay'), ['--open', '--listen', '/ip4/127.0.0.1/tcp/0/ws'])
    const files = sirv(DIST, { single: true })
    server = createServer((request, response) => files(request, response))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://localhost:${(server.address() as AddressInfo).port}/`
    browser = await chromium.launch({ executablePath: await needChromium(), args: ['--no-sandbox'] })
  }, 60_000)

  afterAll(async () => {
    for (const context of contexts) await context.close()
    await browser?.close()
    server?.close()
    await relay?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  let first: Page
  let second: Page

  test('a new notebook keeps a note, also when the page is opened again', async () => {
    const address = relay.addresses.find((each) => each.includes('/ws/')) as string
    first = await openApp(`?relay=${encodeURIComponent(address)}`)
    await first.getByRole('button', { name: 'Start a new notebook' }).click()
    await soon(() => first.getByRole('listitem').count()).toBe(24)
    await first.getByRole('button', { name: 'I have written them down' }).click()
    await writeNote(first, '# Shopping\n\n- bread\n')
    await first.reload()
    await noteNamed(first, 'Shopping').click()
    await soon(() => first.getByLabel('Text of the note').inputValue()).toBe('# Shopping\n\n- bread\n')
  })

  test('a second browser joins by a ticket, through the relay', async () => {
    await first.getByRole('button', { name: 'Invite a device' }).click()
    await first.getByRole('button', { name: 'Use this relay' }).click()
    const ticket = await first.getByLabel('Paste this into the app').inputValue()
    second = await openApp()
    await second.getByLabel('Invitation').fill(ticket)
    await second.getByRole('button', { name: 'Join', exact: true }).click()
    await first.getByText('has joined').waitFor()
    await first.getByRole('button', { name: 'Close' }).click()
    await noteNamed(second, 'Shopping').waitFor()
  })

  test('a note with attachments in one appears in the other, with the same bytes', async () => {
    await writeNote(first, '# Trip\n')
    await first.getByLabel('Attach files').setInputFiles([
      { name: 'lake.png', mimeType: 'image/png', buffer: PICTURE },
      { name: 'birds.wav', mimeType: 'audio/wav', buffer: RECORDING },
    ])
    await noteNamed(second, 'Trip').click()
    await second.getByRole('button', { name: 'Download birds.wav' }).waitFor()
    await second.getByRole('img', { name: 'lake.png' }).waitFor()
    for (const [name, bytes] of [
      ['lake.png', PICTURE],
      ['birds.wav', RECORDING],
    ] as const) {
      const download = second.waitForEvent('download')
      await second.getByRole('button', { name: `Download ${name}` }).click()
      expect((await readFile(await (await download).path())).equals(bytes), name).toBe(true)
    }
  })

  test('what one types, an open editor of the other shows', async () => {
    await first.getByLabel('Text of the note').fill('# Trip\n\nTo the lake\n')
    await soon(() => second.getByLabel('Text of the note').inputValue()).toBe('# Trip\n\nTo the lake\n')
  })

  test('both know when all is in sync, and that the relay keeps it', async () => {
    for (const page of [first, second]) await page.getByText('In sync · kept on 1 machine').waitFor()
  })

  for (const colorScheme of ['light', 'dark'] as const)
    test(`everybody can use it: axe finds nothing, ${colorScheme}`, async () => {
      await first.emulateMedia({ colorScheme })
      const { violations } = await new AxeBuilder({ page: first }).analyze()
      expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([])
    })

  test('nothing is complained about in the console', () => {
    expect(complaints).toEqual([])
  })
})
