import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DemoDevice, isType } from '../../dist/demo/device.js'
import { parseRate } from '../../src/cli/parse-rate.js'
import { peerfold, startCommand } from './command.js'

const SIZE = 200_000

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peerfold-limits-'))
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

describe('a rate', () => {
  test.each([
    ['500K', 500_000],
    ['500k', 500_000],
    ['2M', 2_000_000],
    ['1.5MiB', 1_572_864],
    ['64KiB/s', 65_536],
    ['1Gi', 1_073_741_824],
    ['20000', 20_000],
    ['20000B', 20_000],
    ['0', 0],
    ['none', 0],
  ])('%s is %s bytes per second', (text, bytes) => {
    expect(parseRate(text)).toBe(bytes)
  })

  test.each(['', 'fast', '-1M', '1X', '1i', '2 M', '1e6', '1K'])('%j is none', async (text) => {
    expect(() => parseRate(text)).toThrow()
  })

  test('that is none is refused before anything starts', async () => {
    const { code, stderr } = await peerfold(join(directory, 'none'), ['start', '--limit-up', 'fast'])
    expect(code).toBe(2)
    expect(stderr).toMatch(/^USAGE: .*--limit-up.* — .+\n$/)
  })
})

async function newDevices(...names: string[]): Promise<[DemoDevice, DemoDevice]> {
  const devices = names.map((name) => new DemoDevice(name, directory)) as [DemoDevice, DemoDevice]
  await Promise.all(devices.map((device) => device.prepare()))
  return devices
}

/** However fast the machine is, that many bytes can't take less. */
const LEAST_MS = 1000 * (SIZE / 32_768 - 1)

test('start keeps to its limits, and files come whole', async () => {
  const [first, second] = await newDevices('first', 'second')
  // What the chunker can't make smaller.
  const bytes = new Uint8Array(randomBytes(SIZE))
  await writeFile(join(first.folder, 'a.bin'), bytes)
  await first.run('init', '--name', 'first')
  await first.run('add', first.folder, '--name', 'files')
  await first.start(['start', '--limit-up', '32KiB', '--limit-down', 'none'], isType('ready'))
  const invite = startCommand(first.home, ['--json', 'invite'])
  const { ticket } = await invite.line()
  await second.run('join', String(ticket), '--name', 'second', '--folder', second.folder)
  await invite.ended
  const start = performance.now()
  await second.start(['start', '--limit-down', '32KiB'], isType('ready'))
  await second.waitForLine((line) => line.type === 'activity' && line.path === 'a.bin')
  expect(performance.now() - start).toBeGreaterThan(LEAST_MS)
  expect(new Uint8Array(await readFile(join(second.folder, 'a.bin')))).toEqual(bytes)
  await Promise.all([first.close(), second.close()])
}, 120_000)

test('a command that fetches files itself keeps to its limits; one that lets a running device do it refuses them', async () => {
  const [first, second] = await newDevices('serving', 'asking')
  await first.run('init', '--name', 'serving')
  await first.run('add', first.folder, '--name', 'files')
  await first.start(['start'], isType('ready'))
  const invite = startCommand(first.home, ['--json', 'invite'])
  const { ticket } = await invite.line()
  await second.run('join', String(ticket), '--name', 'asking', '--limit-down', '32KiB')
  await invite.ended
  const bytes = new Uint8Array(randomBytes(1_000_000))
  await writeFile(join(first.folder, 'a.bin'), bytes)
  await first.waitForLine((line) => line.type === 'activity' && line.path === 'a.bin')
  // Until the commit has come. So that no more of the content comes with it than can be helped, little is let in, and not for long.
  const listen = ['status', '--wait', '--timeout', '2', '--limit-down', '16KiB']
  while ((await second.run('ls')).length === 0) await peerfold(second.home, listen)
  const start = performance.now()
  const target = join(directory, 'got.bin')
  await second.run('get', 'a.bin', target, '--limit-down', '128KiB')
  // Half of it may have lain in buffers on the way.
  expect(performance.now() - start).toBeGreaterThan(1000 * (500_000 / 131_072))
  expect(new Uint8Array(await readFile(target))).toEqual(bytes)

  for (const args of [['cat', 'a.bin'], ['invite']]) {
    const { code, stdout, stderr } = await peerfold(first.home, [...args, '--limit-up', '32KiB'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^INVALID_ARGUMENT: .*running.* — .*`peerfold start`\.\n$/)
  }
  expect((await peerfold(first.home, ['status', '--limit-up', 'none'])).code).toBe(0)
  await Promise.all([first.close(), second.close()])
}, 120_000)
