import { writeFile } from 'node:fs/promises'
import type { Page } from 'playwright'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
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

describe('deleted files', { timeout: 60_000 }, () => {
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
    await deleted('one.txt').focus()
    await page.keyboard.press('ControlOrMeta+a')
    await page.getByRole('button', { name: 'Restore', exact: true }).focus()
    await page.keyboard.press('Enter')
    await page.getByText('3 files are back').waitFor()
    await page.getByText('No deleted files').waitFor()
    await stage.expectOnDisk('one.txt', 'first\n')
    await stage.expectOnDisk('two (2).txt', 'second\n')
    await stage.expectOnDisk('two.txt', 'another\n')
    await showFiles()
    await row(page, 'two (2).txt').waitFor()
  })
})
