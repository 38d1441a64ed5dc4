import { mkdir, readdir, writeFile } from 'node:fs/promises'
import type { Locator, Page } from 'playwright'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { seriousBarriers } from './barriers.js'
import { PATIENCE, row, Stage, textFile, upload } from './stage.js'

/** What people do with their files in the drive, and that their other devices follow. */

let stage: Stage
let page: Page
beforeAll(async () => {
  stage = await Stage.open()
  page = await stage.join()
}, 120_000)
afterAll(() => stage[Symbol.asyncDispose]())
afterEach(() => expect(stage.complaints.splice(0)).toEqual([]))

/** Both sides of a file, edited while nothing goes from one to the other. */
async function editApart(name: string, file: Parameters<typeof upload>[1], onDisk: string | Buffer) {
  await stage.relay.stop()
  await upload(page, file)
  await page.getByRole('button', { name: 'New version' }).click()
  await writeFile(stage.onDisk(name), onDisk)
  await stage.relay.start()
  await row(page, name).getByText('Conflict').waitFor()
  // Whose connection went away is no fault of the page.
  stage.complaints.splice(0)
}

async function openConflict(name: string) {
  await page.getByRole('button', { name: `Actions for ${name}` }).click()
  await page.getByRole('menuitem', { name: 'Resolve conflict…' }).click()
  return page.getByRole('dialog', { name: `“${name}” has two contents` })
}

describe('a file that was edited on two sides', { timeout: 120_000 }, () => {
  test('shows both contents, and keeps the one that is chosen, on both sides', async () => {
    await writeFile(stage.onDisk('plan.txt'), 'we meet\n')
    await row(page, 'plan.txt').waitFor()
    await stage.laptop.settle()
    await editApart('plan.txt', [textFile('plan.txt', 'we meet at noon\n')], 'we meet at midnight\n')
    const dialog = await openConflict('plan.txt')
    const laptop = dialog.getByRole('group', { name: 'Content of laptop' })
    await laptop.getByText('we meet at midnight').waitFor()
    await dialog
      .getByRole('group', { name: /Content of Chrome/ })
      .getByText('we meet at noon')
      .waitFor()
    expect(await seriousBarriers(page)).toEqual([])
    await dialog.getByRole('radio', { name: 'laptop' }).check({ force: true })
    await dialog.getByRole('button', { name: 'Keep the chosen one' }).click()
    await row(page, 'plan.txt').getByText('Conflict').waitFor({ state: 'detached' })
    await stage.expectOnDisk('plan.txt', 'we meet at midnight\n')
    await expect.poll(() => stage.laptop.run('conflicts'), PATIENCE).toEqual([])
  })

  test('shows pictures, and keeps both, on both sides', async () => {
    const [base, here, there] = await Promise.all([80, 120, 160].map((width) => drawPicture(page, width)))
    await writeFile(stage.onDisk('house.png'), base as Buffer)
    await row(page, 'house.png').waitFor()
    await stage.laptop.settle()
    const file = { name: 'house.png', mimeType: 'image/png', buffer: here as Buffer }
    await editApart('house.png', [file], there as Buffer)
    const dialog = await openConflict('house.png')
    const widths = () =>
      dialog
        .getByRole('img', { name: 'house.png' })
        .evaluateAll((images) => (images as HTMLImageElement[]).map((image) => image.naturalWidth).sort())
    await expect.poll(widths, PATIENCE).toEqual([120, 160])
    await dialog.getByRole('button', { name: 'Keep both' }).click()
    await row(page, 'house.png').getByText('Conflict').waitFor({ state: 'detached' })
    await expect
      .poll(async () => {
        const names = (await readdir(stage.laptop.folder)).filter((name) => name.startsWith('house'))
        return Promise.all(names.map((name) => stage.sizeOnDisk(name)))
      }, PATIENCE)
      .toEqual(expect.arrayContaining([here?.length, there?.length]))
    await expect.poll(() => stage.laptop.run('conflicts'), PATIENCE).toEqual([])
  })
})

describe('dragging to the path', { timeout: 120_000 }, () => {
  const crumb = (name: string) =>
    page.getByRole('navigation', { name: 'Folder' }).getByRole('link', { name, exact: true })

  test('moves items to a folder above, by pointer and by keyboard', async () => {
    await mkdir(stage.onDisk('garden/beds/roses'), { recursive: true })
    for (const name of ['a.txt', 'b.txt', 'c.txt'])
      await writeFile(stage.onDisk(`garden/beds/roses/${name}`), `${name}\n`)
    for (const folder of ['garden', 'beds', 'roses']) await row(page, folder).dblclick()
    await row(page, 'a.txt').dragTo(crumb('garden'))
    await row(page, 'a.txt').waitFor({ state: 'detached' })
    await stage.expectOnDisk('garden/a.txt', 'a.txt\n')

    await row(page, 'b.txt').click()
    await page.keyboard.press('ControlOrMeta+a')
    await row(page, 'b.txt').getByRole('button', { name: /^Drag/ }).focus()
    await page.keyboard.press('Enter')
    await tabTo(crumb('beds'))
    await page.keyboard.press('Enter')
    await row(page, 'b.txt').waitFor({ state: 'detached' })
    await stage.expectOnDisk('garden/beds/b.txt', 'b.txt\n')
    await stage.expectOnDisk('garden/beds/c.txt', 'c.txt\n')
    // A link is still one.
    await crumb('files').click()
    await row(page, 'garden').waitFor()
  })

  /** Tab, until something has the focus that can be reached by it. */
  async function tabTo(wanted: Locator): Promise<void> {
    const seen = new Set<string>()
    for (;;) {
      await page.keyboard.press('Tab')
      if (await wanted.evaluate((element) => element === document.activeElement)) return
      const at = await page.evaluate(() => document.activeElement?.outerHTML ?? '')
      if (seen.has(at)) throw new Error('the keyboard does not get there')
      seen.add(at)
    }
  }
})

describe('deleted files', { timeout: 120_000 }, () => {
  const deleted = (name: string) =>
    page.getByRole('grid', { name: 'Deleted files of' }).getByRole('row', { name })
  const showDeleted = () => page.getByRole('link', { name: 'Deleted files' }).first().click()
  const showFiles = () =>
    page.getByRole('navigation', { name: 'Folder' }).getByRole('link', { name: 'files', exact: true }).click()

  test('are listed and brought back, here and on a device', async () => {
    await showDeleted()
    await page.getByText('No deleted files').waitFor()
    await showFiles()
    await upload(page, [textFile('letter.txt', 'dear all\n')])
    await row(page, 'letter.txt').click()
    await stage.expectOnDisk('letter.txt', 'dear all\n')
    await page.keyboard.press('Delete')
    await row(page, 'letter.txt').waitFor({ state: 'detached' })
    await expect.poll(() => stage.sizeOnDisk('letter.txt'), PATIENCE).toBeUndefined()
    await showDeleted()
    await deleted('letter.txt').getByRole('button', { name: 'Restore' }).click()
    await page.getByText('“letter.txt” is in “files” again').waitFor()
    await deleted('letter.txt').waitFor({ state: 'detached' })
    await stage.expectOnDisk('letter.txt', 'dear all\n')
    await page.getByRole('button', { name: 'Show', exact: true }).click()
    await row(page, 'letter.txt').waitFor()
  })

  test('of a device, several at once, by keyboard alone; what has a name by now keeps it', async () => {
    await writeFile(stage.onDisk('one.txt'), 'first\n')
    await writeFile(stage.onDisk('two.txt'), 'second\n')
    await row(page, 'one.txt').waitFor()
    await row(page, 'two.txt').waitFor()
    await stage.laptop.run('rm', 'one.txt')
    await stage.laptop.run('rm', 'two.txt')
    await row(page, 'two.txt').waitFor({ state: 'detached' })
    await upload(page, [textFile('two.txt', 'another\n')])
    await stage.expectOnDisk('two.txt', 'another\n')
    // One that is there already is followed as it changes.
    await showDeleted()
    await deleted('two.txt').waitFor()
    await stage.laptop.run('rm', 'letter.txt')
    await deleted('letter.txt').waitFor()
    expect(await page.getByRole('grid').getByRole('row').first().innerText()).toContain('letter.txt')
    expect(await seriousBarriers(page)).toEqual([])
    await deleted('letter.txt').getByRole('button', { name: 'Restore' }).focus()
    await page.keyboard.press('Enter')
    await deleted('letter.txt').waitFor({ state: 'detached' })
    // The row is gone, and whoever was in it is in the next one.
    await expect.poll(() => page.evaluate(() => document.activeElement?.role), PATIENCE).toBe('row')
    await deleted('one.txt').focus()
    await page.keyboard.press('ControlOrMeta+a')
    await page.getByRole('button', { name: 'Restore', exact: true }).focus()
    await page.keyboard.press('Enter')
    await page.getByText('2 files are back').waitFor()
    await page.getByText('No deleted files').waitFor()
    await stage.expectOnDisk('one.txt', 'first\n')
    await stage.expectOnDisk('two (2).txt', 'second\n')
    await stage.expectOnDisk('two.txt', 'another\n')
    await showFiles()
    await row(page, 'two (2).txt').waitFor()
  })
})

/** @param width in pixels */
async function drawPicture(studio: Page, width: number): Promise<Buffer> {
  const url = await studio.evaluate((pixels) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: pixels, height: 60 })
    const context = canvas.getContext('2d') as CanvasRenderingContext2D
    context.fillStyle = `hsl(${pixels} 70% 50%)`
    context.fillRect(0, 0, pixels / 2, 60)
    return canvas.toDataURL('image/png')
  }, width)
  return Buffer.from(url.slice(url.indexOf(',') + 1), 'base64')
}
