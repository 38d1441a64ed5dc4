// Pictures of the main views, to be looked at: `node scripts/screenshots.mjs`, after `npm run build`. They lie in .cache/screenshots.
import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright'
import { findChromium } from '../../../scripts/chromium.mjs'
import { openStage } from './stage.mjs'

/** @import { Browser, Page } from 'playwright' */

const OUTPUT = fileURLToPath(new URL('../.cache/screenshots/', import.meta.url))

const DEVICES = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
}

/** Longer than animations take. */
const REST_MS = 500

/** @param {Page} page @param {string} name */
const row = (page, name) => page.getByRole('row', { name }).first()

/** @param {Page} page @param {string} name */
async function openItem(page, name) {
  const { hasTouch } = await page.evaluate(() => ({ hasTouch: matchMedia('(pointer: coarse)').matches }))
  if (hasTouch) await row(page, name).tap()
  else await row(page, name).dblclick()
}

/** @param {Page} page @param {string} name @param {string} action */
async function act(page, name, action) {
  await page.getByRole('button', { name: `Actions for ${name}` }).click()
  await page.getByRole('menuitem', { name: action }).click()
}

/** @param {Page} page */
async function goHome(page) {
  const around = page.getByRole('button', { name: 'Folders around' })
  if (await around.isVisible()) {
    await around.click()
    await page.getByRole('menuitem', { name: 'Home' }).click()
  } else {
    await page.getByRole('link', { name: 'Home', exact: true }).last().click()
  }
  await row(page, 'Documents').waitFor()
}

/** @param {Page} page */
async function showDeleted(page) {
  const link = page.getByRole('link', { name: 'Deleted files' })
  if (!(await link.isVisible())) await page.getByRole('button', { name: 'Workspaces' }).click()
  await link.click()
}

/**
 * The views, in the order in which a person comes to them.
 *
 * @type {Record<string, (page: Page, shoot: (name: string) => Promise<void>, ticket: () => Promise<string>) => Promise<void>>}
 */
const VIEWS = {
  async welcome(page, shoot, ticket) {
    await page.getByText('Join my other devices').waitFor()
    await shoot('welcome')
    await page.getByText('Recover with my phrase').click()
    await shoot('recover')
    await page.getByRole('button', { name: 'Back' }).click()
    await page.getByText('Join my other devices').click()
    await page.getByLabel('Invitation').fill((await ticket()).slice(0, -5))
    await page.getByRole('button', { name: 'Join', exact: true }).click()
    await page.getByRole('alert').waitFor()
    await shoot('error')
    await page.getByLabel('Invitation').fill(await ticket())
    await page.getByRole('button', { name: 'Join', exact: true }).click()
    await row(page, 'website backup.tar.gz').waitFor()
  },
  async list(page, shoot) {
    await page.getByTestId('status').filter({ hasText: 'In sync' }).waitFor({ timeout: 60_000 })
    await shoot('list')
    await page.getByRole('button', { name: 'Actions for Budget 2026.csv' }).click()
    await shoot('menu')
    await page.keyboard.press('Escape')
  },
  async grid(page, shoot) {
    await page.getByRole('radio', { name: 'Grid' }).click()
    await openItem(page, 'Photos')
    await row(page, 'IMG_2040.jpg').getByRole('presentation').first().waitFor()
    await page.waitForTimeout(6_000)
    await shoot('grid')
  },
  async preview(page, shoot) {
    await openItem(page, 'IMG_2042.jpg')
    await page.getByTestId('preview').getByRole('img').waitFor()
    await shoot('preview')
    await page.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('radio', { name: 'List' }).click()
    await goHome(page)
    await openItem(page, 'Holiday packing list.md')
    await page.getByText('swimming').waitFor()
    await shoot('text')
    await page.getByRole('button', { name: 'Close' }).click()
  },
  async conflict(page, shoot) {
    await openItem(page, 'Documents')
    await row(page, 'Letter').waitFor()
    await shoot('conflict-badge')
    await act(page, 'Letter to the landlord.txt', 'Resolve conflict…')
    await page.getByText('works again').waitFor()
    await page.getByText('since Monday').waitFor()
    await shoot('conflict')
    await page.keyboard.press('Escape')
    await act(page, 'Front door.jpg', 'Resolve conflict…')
    await page.getByRole('dialog').getByRole('img').nth(1).waitFor()
    await shoot('conflict-pictures')
    await page.keyboard.press('Escape')
    await act(page, 'Letter to the landlord.txt', 'Versions…')
    await page
      .getByRole('button', { name: /^Restore/ })
      .first()
      .waitFor()
    await shoot('versions')
    await page.keyboard.press('Escape')
    await act(page, 'Letter to the landlord.txt', 'Move…')
    await page.getByRole('row', { name: 'Plans' }).waitFor()
    await shoot('move')
    await page.keyboard.press('Escape')
    await act(page, 'Letter to the landlord.txt', 'Rename…')
    await shoot('rename')
    await page.keyboard.press('Escape')
  },
  async deleted(page, shoot) {
    await showDeleted(page)
    await row(page, 'Invitation').waitFor()
    await shoot('deleted')
    await row(page, 'Invitation').getByRole('checkbox').check({ force: true })
    await page.getByRole('row').nth(1).getByRole('checkbox').check({ force: true })
    await shoot('deleted-selected')
    await page.getByRole('button', { name: 'Clear selection' }).click()
    await page.getByRole('button', { name: 'Restore Invitation' }).first().click()
    await page.getByText('is in “Documents” again').waitFor()
    await shoot('restored')
    await page.getByRole('button', { name: 'Close message' }).click()
  },
  async transfers(page, shoot) {
    await goHome(page)
    await openItem(page, 'Plans for the garden')
    await page.getByText('Nothing here yet').waitFor()
    await shoot('empty')
    const files = Array.from({ length: 9 }, (_, n) => ({
      name:
        n === 2
          ? 'The plan of the garden with all measures, drawn by hand and scanned in 1987.tif'
          : `Bed ${n + 1}.tif`,
      mimeType: 'image/tiff',
      buffer: Buffer.alloc(5_000_000, Math.random().toString()),
    }))
    await page.getByTestId('upload-files').setInputFiles(files)
    await page.getByText(/^Uploading/).waitFor()
    await page.waitForTimeout(300)
    await shoot('transfers')
    await page.getByText(/saved$/).waitFor({ timeout: 60_000 })
    await shoot('saved')
    await page
      .getByTestId('upload-files')
      .setInputFiles([{ name: 'Bed 1.tif', mimeType: 'image/tiff', buffer: Buffer.from('another') }])
    await page.getByRole('button', { name: 'New version' }).waitFor()
    await shoot('collision')
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Clear list' }).click()
    await goHome(page)
  },
  async status(page, shoot) {
    await page.getByTestId('status').click()
    await page.getByText('Storage in this browser').waitFor()
    await shoot('status')
    await page.getByRole('button', { name: 'Invite a device' }).click()
    await page.getByTestId('invite-ticket').waitFor()
    await shoot('invite')
    await page.keyboard.press('Escape')
    await page.keyboard.press('Escape')
  },
}

/** @param {Browser} browser @param {Awaited<ReturnType<typeof openStage>>} stage @param {'desktop' | 'phone'} device @param {'light' | 'dark'} colorScheme */
async function shootAll(browser, stage, device, colorScheme) {
  await stage.reset()
  const context = await browser.newContext({ ...DEVICES[device], colorScheme })
  const page = await context.newPage()
  page.on('console', (message) => {
    if (message.type() === 'error') console.error(`${device} ${colorScheme}: ${message.text()}`)
  })
  await page.goto(stage.url)
  const ticket = async () => (await stage.laptop.devices.invite()).ticket
  const shoot = async (/** @type {string} */ name) => {
    await page.waitForTimeout(REST_MS)
    await page.screenshot({ path: `${OUTPUT}${name}-${device}-${colorScheme}.png` })
  }
  try {
    for (const view of Object.values(VIEWS)) await view(page, shoot, ticket)
  } catch (error) {
    await shoot('failed')
    throw error
  }
  await context.close()
}

await mkdir(OUTPUT, { recursive: true })
const browser = await chromium.launch({
  executablePath: await findChromium(),
  args: ['--no-sandbox', '--disable-gpu'],
})
const stage = await openStage(await browser.newPage())
try {
  for (const device of /** @type {const} */ (['desktop', 'phone'])) {
    for (const scheme of /** @type {const} */ (['light', 'dark']))
      await shootAll(browser, stage, device, scheme)
  }
} finally {
  await stage.close()
  await browser.close()
}
