import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const program = fileURLToPath(new URL('../two-devices.mjs', import.meta.url))

test('shows in at most 40 lines how two devices of one person keep a workspace the same', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 50_000 })
  expect(stdout.split('\n')).toEqual([
    'a new identity; its recovery phrase has 24 words',
    'the phone has joined and sees notes',
    'on the phone: - bread',
    '',
    'changed on the laptop, on the phone: - bread',
    '- tea',
    '',
    '',
  ])
  expect((await readFile(program, 'utf8')).trimEnd().split('\n').length).toBeLessThanOrEqual(40)
})
