import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { PATIENCE, row, Stage, textFile, upload } from './stage.js'

/** The drive in a real browser, with a real relay and a real device. */

let stage: Stage
beforeAll(async () => {
  stage = await Stage.open()
}, 120_000)
afterAll(() => stage[Symbol.asyncDispose]())
afterEach(() => expect(stage.complaints.splice(0)).toEqual([]))

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer)
  return hash.digest('hex')
}

/** A file of which no part is like another. */
async function makeLarge(path: string, mebibytes: number): Promise<string> {
  const file = await open(path, 'w')
  const piece = Buffer.alloc(1 << 20)
  for (let n = 0; n < mebibytes; n++) {
    for (let at = 0; at < piece.length; at += 32)
      createHash('sha256').update(`${n}/${at}`).digest().copy(piece, at)
    await file.write(piece)
  }
  await file.close()
  return hashOf(path)
}

describe('a browser that joined by an invitation', { timeout: 120_000 }, () => {
  test('shows what a device edits, as it is edited', async () => {
    await writeFile(stage.onDisk('note.txt'), 'first\n')
    const page = await stage.join()
    await row(page, 'note.txt').dblclick()
    await page.getByTestId('preview').getByText('first').waitFor()
    await writeFile(stage.onDisk('note.txt'), 'second\n')
    await page.keyboard.press('Escape')
    await expect
      .poll(async () => {
        await row(page, 'note.txt').dblclick()
        const text = await page.getByTestId('preview').innerText()
        await page.keyboard.press('Escape')
        return text
      }, PATIENCE)
      .toContain('second')
    await page.context().close()
  })

  test('merges what was edited on both sides while it had no connection', async () => {
    const page = await stage.join()
    await row(page, 'note.txt').waitFor()
    // The relay is the only way between the two.
    await stage.relay.stop()
    await upload(page, [textFile('from the browser.txt', 'written offline\n')])
    await row(page, 'from the browser.txt').waitFor()
    await writeFile(stage.onDisk('from the laptop.txt'), 'written offline, too\n')
    await stage.relay.start()
    await row(page, 'from the laptop.txt').waitFor()
    await stage.expectOnDisk('from the browser.txt', 'written offline\n')
    // Whose connection went away is no fault of the page.
    stage.complaints.splice(0)
    await page.context().close()
  })

  test('writes from two tabs at once, and goes on in the second when the first is closed', async () => {
    const first = await stage.join()
    const second = await stage.newTab(first.context())
    await second.goto(stage.drive.url)
    await row(second, 'note.txt').waitFor()
    await Promise.all([
      upload(first, [textFile('from tab 1.txt', 'one\n')]),
      upload(second, [textFile('from tab 2.txt', 'two\n')]),
    ])
    await stage.expectOnDisk('from tab 1.txt', 'one\n')
    await stage.expectOnDisk('from tab 2.txt', 'two\n')
    await first.close()
    await upload(second, [textFile('from the one that is left.txt', 'three\n')])
    await stage.expectOnDisk('from the one that is left.txt', 'three\n')
    await second.context().close()
  })

  test('starts again with nothing after its storage was wiped, and gets everything back', async () => {
    const page = await stage.join()
    await row(page, 'note.txt').waitFor()
    await page.goto('about:blank')
    const session = await page.context().newCDPSession(page)
    await session.send('Storage.clearDataForOrigin', {
      origin: new URL(stage.drive.url).origin,
      storageTypes: 'all',
    })
    await page.goto(stage.drive.url)
    await page.getByText('Join my other devices').waitFor()
    await page.goto('about:blank')
    const again = await stage.join(page.context())
    await row(again, 'note.txt').dblclick()
    await again.getByTestId('preview').getByText('second').waitFor()
    await page.context().close()
  })

  test('uploads 200 files and one of 300 MB, and a device has them on its disk', {
    timeout: 300_000,
  }, async () => {
    const page = await stage.join()
    const names = Array.from({ length: 200 }, (_, i) => `file ${i}.txt`)
    await upload(
      page,
      names.map((name) => textFile(name, `content of ${name}\n`)),
    )
    await expect
      .poll(
        async () => (await readdir(stage.laptop.folder)).filter((name) => name.startsWith('file ')).length,
        {
          timeout: 120_000,
        },
      )
      .toBe(200)
    for (const name of names) expect(await readFile(stage.onDisk(name), 'utf8')).toBe(`content of ${name}\n`)

    const large = join(tmpdir(), `large-${process.pid}.bin`)
    try {
      const hash = await makeLarge(large, 300)
      await upload(page, [large])
      const name = `large-${process.pid}.bin`
      await expect.poll(() => stage.sizeOnDisk(name), { timeout: 180_000 }).toBe(300 << 20)
      expect(await hashOf(stage.onDisk(name))).toBe(hash)
    } finally {
      await rm(large, { force: true })
      await page.context().close()
    }
  })
})
