import { existsSync } from 'node:fs'
import { access, mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { peerfold, startCommand } from './command.js'

const NAMES = ['-dash', '.hidden', 'a\nb', '😀.txt', 'y'.repeat(255), 'quo\'te"', ' ']

let directory: string
let home: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peerfold-output-'))
  home = join(directory, 'home')
  await mkdir(join(directory, 'files/many'), { recursive: true })
  for (const name of NAMES) await writeFile(join(directory, 'files', name), name)
  // More than pipes hold.
  for (let i = 0; i < 1000; i++) await writeFile(join(directory, 'files/many', `${i}-${'x'.repeat(100)}`), '')
  await peerfold(home, ['init'])
  expect(await peerfold(home, ['add', join(directory, 'files')])).toMatchObject({ code: 0, stderr: '' })
}, 60_000)

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

describe('odd names', () => {
  test('are listed one a line, and can be named after --', async () => {
    const rows = (await peerfold(home, ['ls', '--json'])).stdout.trimEnd().split('\n')
    const names = rows.map((row) => (JSON.parse(row) as { name: string }).name)
    expect(names.sort()).toEqual([...NAMES, 'many'].sort())
    expect((await peerfold(home, ['ls'])).stdout.trimEnd().split('\n')).toHaveLength(NAMES.length + 1)
    for (const name of NAMES) expect((await peerfold(home, ['cat', '--', name])).stdout).toBe(name)
    expect((await peerfold(home, ['mv', '--', '-dash', 'new\nline'])).stdout).toBe(
      'moved -dash to new\\u000aline\n',
    )
  })
})

describe('output', () => {
  test('that nobody reads any more ends the command without a word', async () => {
    for (const args of [['ls', '-r'], ['ls', '-r', '--json'], ['status']]) {
      const command = startCommand(home, args)
      command.child.stdout?.destroy()
      const { code, stderr } = await command.ended
      expect([0, 130]).toContain(code)
      expect(stderr).toBe('')
    }
  })

  const full = existsSync('/dev/full')
  test.runIf(full)(
    `that can't be written is an error${full ? '' : ' (this system has no /dev/full)'}`,
    async () => {
      for (const args of [['ls', '-r'], ['status'], ['cat', ' '], ['--help']]) {
        const through = ['sh', '-c', 'exec "$@" > /dev/full', 'sh']
        const { code, stderr } = await startCommand(home, args, '', through).ended
        expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^STORE_FULL: .+\n$/) })
      }
    },
  )
})

test('an add that is interrupted has added the folder, and takes nothing from it', async () => {
  const folder = join(directory, 'large')
  await mkdir(folder)
  const file = await open(join(folder, 'holes'), 'w')
  await file.truncate(8 * 2 ** 30)
  await file.close()
  const adding = startCommand(home, ['add', folder])
  const marker = join(folder, '.peerfold/folder.json')
  while (
    !(await access(marker).then(
      () => true,
      () => false,
    ))
  );
  adding.child.kill('SIGINT')
  expect(await adding.ended).toMatchObject({ code: 130, stderr: '' })
  expect((await readdir(folder)).sort()).toEqual(['.peerfold', 'holes'])
  const again = await peerfold(home, ['--json', 'add', folder])
  expect(JSON.parse(again.stderr)).toMatchObject({
    code: 'FOLDER_IN_USE',
    hint: expect.stringContaining('peerfold start'),
  })
})
