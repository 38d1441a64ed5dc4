import { randomBytes } from 'node:crypto'
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DemoDevice, isType } from '../../dist/demo/device.js'
import { peerfold, startCommand } from './command.js'

let directory: string
const devices: DemoDevice[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peerfold-export-'))
})

afterAll(async () => {
  await Promise.all(devices.map((device) => device.close()))
  await rm(directory, { recursive: true, force: true })
})

async function newDevice(name: string): Promise<DemoDevice> {
  const device = new DemoDevice(name, directory)
  devices.push(device)
  await device.prepare()
  return device
}

async function tell(device: DemoDevice, ...args: string[]) {
  const { code, stdout, stderr } = await peerfold(device.home, ['--json', ...args])
  return {
    code,
    out: stdout === '' ? undefined : JSON.parse(stdout),
    error: stderr === '' ? undefined : JSON.parse(stderr),
  }
}

test('export writes what the workspace holds, cold or running, with or without history', async () => {
  const device = await newDevice('alone')
  await device.run('init')
  await mkdir(join(device.folder, 'docs/empty'), { recursive: true })
  await writeFile(join(device.folder, 'docs/a.txt'), 'one')
  await utimes(join(device.folder, 'docs/a.txt'), 1_500_000_000, 1_500_000_000)
  await writeFile(join(device.folder, 'run.sh'), '#!/bin/sh\n')
  await chmod(join(device.folder, 'run.sh'), 0o755)
  await symlink('docs/a.txt', join(device.folder, 'link'))
  await device.run('add', device.folder, '--name', 'files')
  const cold = join(directory, 'cold')
  expect(await tell(device, 'export', cold)).toMatchObject({
    code: 0,
    out: { name: 'files', directory: cold, files: 3, folders: 2, lacking: [], renamed: [] },
  })
  expect((await readdir(cold)).sort()).toEqual(['docs', 'link', 'run.sh'])
  expect(await readFile(join(cold, 'link'), 'utf8')).toBe('one')
  expect((await stat(join(cold, 'docs/a.txt'))).mtimeMs).toBe(1_500_000_000_000)
  expect((await stat(join(cold, 'run.sh'))).mode & 0o111).not.toBe(0)
  expect(await readdir(join(cold, 'docs/empty'))).toEqual([])
  expect(await tell(device, 'export', cold)).toMatchObject({ code: 1, error: { code: 'ALREADY_EXISTS' } })
  expect(await tell(device, 'export', join(device.folder, 'docs/out'))).toMatchObject({
    code: 1,
    error: { code: 'FOLDER_NESTED' },
  })
  expect(await tell(device, 'export', join(directory, 'no/such'))).toMatchObject({
    code: 1,
    error: { code: 'FOLDER_NOT_FOUND' },
  })

  await device.start(['start'], isType('ready'))
  await writeFile(join(directory, 'two'), 'two')
  await device.run('put', join(directory, 'two'), 'docs/a.txt')
  await device.run('rm', 'run.sh')
  const warm = join(directory, 'warm')
  const { stdout, code } = await peerfold(device.home, ['export', warm, '--history'])
  expect({ code, stdout }).toEqual({ code: 0, stdout: `6 files and 7 folders in ${warm}, 39 B written\n` })
  expect(await readFile(join(warm, 'docs/a.txt'), 'utf8')).toBe('two')
  const versions = await readdir(join(warm, '.history/docs/a.txt'))
  const texts = await Promise.all(
    versions.sort().map((name) => readFile(join(warm, '.history/docs/a.txt', name), 'utf8')),
  )
  expect(texts).toEqual(['one', 'two'])
  expect(await readdir(join(warm, '.history/run.sh'))).toEqual([
    expect.stringMatching(/^\d{8}T\d{6}Z-.+\.sh$/),
  ])
}, 120_000)

test('an export says what is lacking, ends with 1, and goes on when it can be had', async () => {
  const first = await newDevice('first')
  const second = await newDevice('second')
  const large = randomBytes(64 * 2 ** 20)
  await writeFile(join(first.folder, 'small.txt'), 'small')
  await first.run('init', '--name', 'first')
  await first.run('add', first.folder, '--name', 'files')
  await first.start(['start'], isType('ready'))
  const invite = startCommand(first.home, ['--json', 'invite'])
  const { ticket } = await invite.line()
  await second.run('join', String(ticket), '--name', 'second')
  await invite.ended
  await second.start(['start'], isType('ready'))
  await first.settle()
  await second.waitForLine((line) => line.type === 'state' && line.state === 'synced')
  const coming = new Promise<void>((resolve) => {
    second.onLine((line) => line.type === 'state' && line.state === 'syncing' && resolve())
  })
  await writeFile(join(first.folder, 'large.bin'), large)
  await coming
  await first.stop('SIGKILL')

  const out = join(directory, 'out')
  const lacking = await tell(second, 'export', out)
  expect(lacking).toMatchObject({
    code: 1,
    out: { files: 1, lacking: [{ path: 'large.bin', code: 'BLOCKS_UNAVAILABLE' }] },
    error: { code: 'EXPORT_INCOMPLETE', retryable: true },
  })
  expect(await readFile(join(out, 'small.txt'), 'utf8')).toBe('small')

  await first.start(['start'], isType('ready'))
  const whole = await tell(second, 'export', out)
  expect(whole).toMatchObject({ code: 0, out: { files: 2, kept: 1, lacking: [] } })
  expect((await readFile(join(out, 'large.bin'))).equals(large)).toBe(true)
  expect((await readdir(out)).sort()).toEqual(['large.bin', 'small.txt'])
}, 240_000)
