import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DemoDevice, isType } from '../../dist/demo/device.js'
import { type Outcome, peerfold, startCommand } from './command.js'

interface Waiting {
  path: string
  device: string | null
  lastSeen: string | null
}
interface Shown {
  state: string
  pending: { files: number; bytes: number }
  copies: { min: number }
  waitingFor: Waiting[]
}

const LARGE = 64 * 2 ** 20

let directory: string
let devices: DemoDevice[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peerfold-barrier-'))
  devices = []
})

afterEach(async () => {
  await Promise.all(devices.map((device) => device.close()))
  await rm(directory, { recursive: true, force: true })
})

/** The first runs with a folder; the others join it, with or without one, and run as well. */
async function run(folders: { first: true } & Record<string, boolean>): Promise<DemoDevice[]> {
  for (const name of Object.keys(folders)) devices.push(new DemoDevice(name, directory))
  const [first, ...others] = devices as [DemoDevice, ...DemoDevice[]]
  await Promise.all(devices.map((device) => device.prepare()))
  await first.run('init', '--name', first.name)
  await first.run('add', first.folder, '--name', 'files')
  await first.start(['start'], isType('ready'))
  for (const other of others) {
    const invite = startCommand(first.home, ['--json', 'invite'])
    const { ticket } = await invite.line()
    const folder = folders[other.name] === true ? ['--folder', other.folder] : []
    await other.run('join', String(ticket), '--name', other.name, ...folder)
    expect((await invite.ended).code).toBe(0)
    await other.start(['start'], isType('ready'))
  }
  await first.settle()
  return devices
}

async function statusOf(device: DemoDevice): Promise<Shown> {
  const [{ workspaces }] = (await device.run('status')) as unknown as [{ workspaces: [Shown] }]
  return workspaces[0]
}

/** Looks again until it is as expected; the test's own deadline ends it. */
async function until(device: DemoDevice, holds: (status: Shown) => boolean): Promise<Shown> {
  for (;;) {
    const status = await statusOf(device)
    if (holds(status)) return status
  }
}

function nextState(device: DemoDevice, state: string): Promise<void> {
  return new Promise((resolve) => {
    const stop = device.onLine((line) => {
      if (line.type !== 'state' || line.state !== state) return
      stop()
      resolve()
    })
  })
}

async function wait(device: DemoDevice, seconds: number): Promise<Outcome> {
  return await peerfold(device.home, ['--json', 'status', '--wait', '--timeout', String(seconds)])
}

function expectWaiting({ waitingFor, state, copies }: Shown): void {
  expect(waitingFor).toEqual([{ path: 'large.bin', device: 'first', lastSeen: expect.any(String) }])
  expect(Number.isNaN(Date.parse(String(waitingFor[0]?.lastSeen)))).toBe(false)
  expect(state).not.toBe('synced')
  expect(copies.min).toBe(1)
}

describe('status', () => {
  test('names what is waited for, from whom, with a folder and without, running or not', async () => {
    const [first, bare, foldered] = (await run({ first: true, bare: false, foldered: true })) as [
      DemoDevice,
      DemoDevice,
      DemoDevice,
    ]
    const others = [bare, foldered]
    for (const device of others) await until(device, ({ state }) => state === 'synced')
    const syncing = Promise.all(others.map((device) => nextState(device, 'syncing')))
    const large = randomBytes(LARGE)
    await writeFile(join(first.folder, 'large.bin'), large)
    await syncing
    await first.stop('SIGKILL')

    for (const device of others) expectWaiting(await until(device, ({ waitingFor }) => waitingFor.length > 0))
    await bare.stop()
    expectWaiting(await statusOf(bare))

    // Ports are new after each start: who kept running is found, and tells the others of each other.
    await bare.start(['start'], isType('ready'))
    await first.start(['start'], isType('ready'))
    const digest = createHash('sha256').update(large).digest('hex')
    const isWhole = ({ waitingFor, pending }: Shown) => waitingFor.length === 0 && pending.files === 0
    for (const device of others) {
      await until(device, isWhole)
      const bytes = await device.runRaw('cat', 'large.bin')
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(digest)
    }
  }, 240_000)
})

describe('status --wait', () => {
  test('ends with 4 while a device that is reachable does not acknowledge, and passes when it has', async () => {
    const [first, second] = (await run({ first: true, second: true })) as [DemoDevice, DemoDevice]
    const pid = second.pid as number
    process.kill(pid, 'SIGSTOP')
    try {
      await writeFile(join(first.folder, 'a.txt'), 'one\n')
      const { code, stdout, stderr } = await wait(first, 4)
      expect(JSON.parse(stderr)).toMatchObject({ code: 'TIMEOUT', hint: expect.any(String) })
      expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    // A barrier: at the moment that it ends, what was written just before it began lies on the other disk.
    for (const text of ['two\n', 'three\n', 'four\n']) {
      await writeFile(join(first.folder, 'a.txt'), text)
      expect((await wait(first, 60)).code).toBe(0)
      expect(await readFile(join(second.folder, 'a.txt'), 'utf8')).toBe(text)
    }
  }, 120_000)

  test('ends with 3 when no other device can be reached, however short the time, and copies are not forgotten', async () => {
    const [first, second] = (await run({ first: true, second: true })) as [DemoDevice, DemoDevice]
    await writeFile(join(first.folder, 'a.txt'), 'one\n')
    await first.settle()
    await second.stop()
    for (const seconds of [3, 30]) {
      const { code, stderr } = await wait(first, seconds)
      expect(JSON.parse(stderr)).toMatchObject({ code: 'NO_PEERS' })
      expect(code).toBe(3)
    }
    expect((await statusOf(first)).copies.min).toBe(2)
    await first.stop()
    expect((await statusOf(first)).copies.min).toBe(2)
    await first.start(['start'], isType('ready'))
    expect((await statusOf(first)).copies.min).toBe(2)
  }, 120_000)
})
