import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Command, startCommand } from '../cli/command.js'
import { findMachines, type Machines } from './two-machines.js'

const maker = await findMachines()
const where =
  maker?.name ?? 'neither network namespaces can be made here, nor does this machine hear its own multicasts'

let directory: string
let machines: Machines
let running: Command[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peerfold-mdns-'))
  machines = await maker!.make()
  running = []
})

afterEach(async () => {
  await stopAll()
  await machines[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

function command(machine: 0 | 1, ...args: string[]): Command {
  return startCommand(join(directory, String(machine)), ['--json', ...args], '', machines.through[machine])
}

async function run(machine: 0 | 1, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await command(machine, ...args).ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

/** On a free port, so that what the other device knew of it from the last time leads nowhere. */
async function start(machine: 0 | 1, ...args: string[]): Promise<void> {
  const started = command(machine, 'start', '--listen', '/ip4/0.0.0.0/tcp/0', ...args)
  running.push(started)
  expect(await started.line()).toMatchObject({ type: 'ready' })
}

async function stopAll(): Promise<void> {
  for (const { child, ended } of running.splice(0)) {
    child.kill()
    await ended
  }
}

async function wait(seconds: number): Promise<number | null> {
  return (await command(0, 'status', '--wait', '--timeout', String(seconds)).ended).code
}

describe.runIf(maker !== undefined)(`devices on one local network (${where})`, () => {
  test('find each other by mDNS after both have moved to other ports, and only by it', async () => {
    await run(0, 'init', '--name', 'left')
    await start(0, '--no-mdns')
    const invite = command(0, 'invite')
    const { ticket } = await invite.line()
    await run(1, 'join', String(ticket), '--name', 'right')
    expect((await invite.ended).code).toBe(0)
    await stopAll()

    await start(0, '--no-mdns')
    await start(1, '--no-mdns')
    expect(await wait(6)).toBe(3)
    await stopAll()

    await start(0)
    await start(1)
    expect(await wait(30)).toBe(0)
    const { peers } = JSON.parse(await run(0, 'status')) as { peers: object[] }
    expect(peers).toMatchObject([{ name: 'right', connected: true, via: 'tcp' }])
  }, 120_000)
})
