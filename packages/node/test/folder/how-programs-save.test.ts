import { execFile, spawnSync } from 'node:child_process'
import * as fs from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { RealFolder } from './node-folder.js'
import { becomeEqual, contents, hastenedClock, realFolder } from './node-folder.js'

const run = promisify(execFile)

/** Called between the steps of a save. */
type Pause = () => Promise<void>
type Save = (path: string, text: string, pause: Pause) => Promise<void>

const beside = (path: string, name: string) => join(dirname(path), name)

/** Written and flushed, as careful programs do. */
async function writeDurably(path: string, text: string): Promise<void> {
  const file = await fs.open(path, 'w', 0o644)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

const SAVES: Record<string, Save> = {
  'in place, truncated first (VS Code, nano)': (path, text) => fs.writeFile(path, text),
  'in place, the end cut off last': async (path, text, pause) => {
    const file = await fs.open(path, 'r+')
    try {
      await file.write(text, 0)
      await pause()
      await file.truncate(Buffer.byteLength(text))
    } finally {
      await file.close()
    }
  },
  'write beside, rename over (VS Code for its settings, gedit, Kate)': async (path, text, pause) => {
    await writeDurably(`${path}.vsctmp`, text)
    await pause()
    await fs.rename(`${path}.vsctmp`, path)
  },
  'try the directory, rename away, write anew, remove the backup (vim, backupcopy=no)': async (
    path,
    text,
    pause,
  ) => {
    await fs.writeFile(beside(path, '4913'), '')
    await fs.unlink(beside(path, '4913'))
    await fs.rename(path, `${path}~`)
    await pause()
    await writeDurably(path, text)
    await pause()
    await fs.unlink(`${path}~`)
  },
  'copy to a backup, write in place, remove the backup (vim, backupcopy=yes)': async (path, text, pause) => {
    await fs.copyFile(path, `${path}~`)
    await pause()
    await writeDurably(path, text)
    await pause()
    await fs.unlink(`${path}~`)
  },
  'lock, write beside, move the old away, move the new in, remove both (LibreOffice)': async (
    path,
    text,
    pause,
  ) => {
    await fs.writeFile(beside(path, '.~lock.note.txt#'), ',ann,laptop,22.11.2026 10:00;')
    await writeDurably(beside(path, 'lu4711ab12cd.tmp'), text)
    await pause()
    await fs.rename(path, beside(path, 'lu4711ab12ce.tmp'))
    await fs.rename(beside(path, 'lu4711ab12cd.tmp'), path)
    await pause()
    await fs.unlink(beside(path, 'lu4711ab12ce.tmp'))
    await fs.unlink(beside(path, '.~lock.note.txt#'))
  },
  'remove, then write anew': async (path, text) => {
    await fs.unlink(path)
    await fs.writeFile(path, text)
  },
}

async function note(folder: RealFolder) {
  const entry = await folder.workspace.tree.lookup(['note.txt'])
  if (entry === undefined) throw new Error('note.txt is not in the workspace')
  return entry
}

/** A note that both have, saved on the left: a new version of the same item, and nothing else. */
async function expectSaved(save: (left: RealFolder) => Promise<void>): Promise<void> {
  await using left = await realFolder()
  await using right = await realFolder({ workspace: left.workspace })
  await fs.writeFile(left.path('note.txt'), 'one, and more of it')
  await becomeEqual(left, right)
  const before = await note(left)
  await save(left)
  await becomeEqual(left, right)
  expect(await contents(right.directory)).toEqual({ 'note.txt': 'two!\n' })
  const after = await note(left)
  expect(after.item).toBe(before.item)
  const texts = after.heads.map(({ content }) => new TextDecoder().decode(left.workspace.bytesOf(content)))
  expect(texts).toEqual(['two!\n'])
}

describe.each(Object.entries(SAVES))('%s', (_, save) => {
  test('a new version of the same item', async () => {
    await expectSaved((left) => save(left.path('note.txt'), 'two!\n', async () => {}))
  })

  test('the same when rounds of the engine fall in the middle of it', async () => {
    await expectSaved(async (left) => {
      // A plan is made between two rounds: from one to the next lies a whole round.
      const look = async () => {
        await left.sync.plan()
        await left.sync.plan()
      }
      await save(left.path('note.txt'), 'two!\n', look)
    })
  })
})

const hasVim = spawnSync('vim', ['--version']).status === 0
const VIM = {
  'vim as it is': [],
  'vim that renames': ['set backupcopy=no'],
  'vim that copies': ['set backupcopy=yes'],
  'vim that keeps no backup while it writes': ['set nowritebackup'],
  'vim with fsync': ['set fsync'],
}

if (hasVim)
  test.each(Object.entries(VIM))('%s', async (_, settings) => {
    await expectSaved(async (left) => {
      const commands = [...settings, '%s/.*/two!/', 'wq'].flatMap((command) => ['-c', command])
      await run('vim', ['-u', 'NONE', '-es', '--not-a-term', ...commands, left.path('note.txt')])
    })
  })

describe('while a document is open', () => {
  test('its lock and swap files are seen by nobody else, and are no deletion when they go', async () => {
    await using left = await realFolder()
    await using right = await realFolder({ workspace: left.workspace })
    await fs.writeFile(left.path('note.txt'), 'one')
    const droppings = ['.~lock.note.txt#', '.note.txt.swp', '~$note.docx']
    for (const name of droppings) await fs.writeFile(left.path(name), 'mine')
    for (const folder of [left, right]) await folder.settled()
    expect(await contents(right.directory)).toEqual({ 'note.txt': 'one' })
    for (const name of droppings) await fs.unlink(left.path(name))
    await becomeEqual(left, right)
    expect(left.workspace.history.size).toBe(1)
  })
})

describe('a file that is written to for half a minute while it is synced', () => {
  const HALF_A_MINUTE = 30_000

  test('comes whole, in few versions, the last state at the end', async () => {
    const clock = hastenedClock(10)
    await using left = await realFolder({ init: { clock } })
    await using right = await realFolder({ workspace: left.workspace, init: { clock } })
    const log = await fs.open(left.path('log'), 'a')
    const disk = await fs.open(left.path('disk.img'), 'w+')
    const image = Buffer.alloc(256 * 1024)
    const seen = new Set<string>()
    let written = ''
    let steps = 0
    try {
      for (const begin = clock.monotonic(); clock.monotonic() - begin < HALF_A_MINUTE; steps++) {
        const line = `line ${steps}\n`
        await log.write(line)
        written += line
        image.fill(steps & 255, (steps % 64) * 4096, ((steps % 64) + 1) * 4096)
        await disk.write(image, (steps % 64) * 4096, 4096, (steps % 64) * 4096)
        seen.add(await fs.readFile(right.path('log'), 'utf8').catch(() => ''))
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    } finally {
      await log.close()
      await disk.close()
    }
    await becomeEqual(left, right)
    expect(steps).toBeGreaterThan(20)
    expect(await fs.readFile(right.path('log'), 'utf8')).toBe(written)
    const whole = await fs.readFile(left.path('disk.img'))
    expect((await fs.readFile(right.path('disk.img'))).equals(whole)).toBe(true)
    const states = [...left.workspace.history].filter((text) => text.startsWith('line'))
    for (const state of [...states, ...seen])
      expect(written.startsWith(state) && /(\n|^)$/.test(state)).toBe(true)
    console.log(`${steps} writes became ${states.length} versions`)
    expect(states.length).toBeLessThan(10)
    expect((await left.workspace.tree.lookup(['disk.img']))?.heads.length).toBe(1)
  })
})
