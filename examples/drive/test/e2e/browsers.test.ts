import { randomBytes } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PATIENCE, row, Stage, upload } from './stage.js'

let stage: Stage
beforeAll(async () => {
  stage = await Stage.open({ keeps: false })
}, 120_000)
afterAll(() => stage[Symbol.asyncDispose]())

/** A person who has no other device. */
async function startNew(page: Page): Promise<void> {
  await page.goto(stage.drive.url)
  await page.getByRole('button', { name: 'Start new' }).click()
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByTestId('recovery-phrase').waitFor()
  await page.getByRole('checkbox').check({ force: true })
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByTestId('status').first().waitFor()
}

async function addRelay(page: Page, address: string): Promise<void> {
  await page.getByTestId('status').first().click()
  await page.getByLabel('Address of a relay').fill(address)
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByText('Connected', { exact: true }).first().waitFor()
}

async function bytesBelow(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = entries.filter((entry) => entry.isFile())
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(join(file.parentPath, file.name))).size),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

test('two browsers exchange files by WebRTC, and the relay that let them meet keeps none', {
  timeout: 180_000,
}, async () => {
  const first = await stage.newTab(await stage.newBrowser())
  await startNew(first)
  await addRelay(first, stage.relay.webSocketAddress)
  await first.getByRole('button', { name: 'Invite a device' }).click()
  const ticket = await first.getByTestId('invite-ticket').innerText()

  const second = await stage.newTab(await stage.newBrowser())
  await second.goto(stage.drive.joinUrl(ticket))
  await second.getByRole('button', { name: 'Join' }).click()
  await first.getByRole('button', { name: 'Done' }).click()
  await first.keyboard.press('Escape')
  const bytes = randomBytes(8_000_000)
  await upload(first, [{ name: 'shared.bin', mimeType: 'application/octet-stream', buffer: bytes }])
  await row(second, 'shared.bin').waitFor()

  await second.getByTestId('status').first().click()
  await second
    .getByRole('dialog')
    .getByText(/WebRTC/)
    .first()
    .waitFor(PATIENCE)
  await second.keyboard.press('Escape')
  const [download] = await Promise.all([
    second.waitForEvent('download'),
    row(second, 'shared.bin')
      .click({ button: 'right' })
      .then(() => second.getByRole('menuitem', { name: 'Download' }).click()),
  ])
  expect(bytes.equals(await readFile(await download.path()))).toBe(true)
  expect(await bytesBelow(join(stage.relay.directory, 'data', 'blocks', 'segments'))).toBeLessThan(1_000)
})
