import { createHash, randomBytes } from 'node:crypto'
import { cp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { blockDigest } from '@peerfold/core/platform'
import { encodeCbor, fromHex, toHex } from '@peerfold/core/relay'
import * as lengthPrefixed from 'it-length-prefixed'
import { describe, expect, test } from 'vitest'
import { openRelayHome } from '../src/home.js'
import { below, keys } from '../src/mailbox/rows.js'
import { crypto, TestWorkspace } from './commits.js'
import { TestDevice } from './device.js'
import { relayFixture } from './fixture.js'
import { eventually, pairedDevices, textOf, within } from './paired-devices.js'
import { type RunningRelay, relayCommand, runRelay } from './relay-process.js'

/** Adversarial cases of the design with relays as processes and devices as apps open them, over libp2p. */

const fixture = relayFixture()

async function run(data: string): Promise<RunningRelay> {
  const relay = await runRelay(data, ['--open', '--log-level', 'error'])
  fixture.cleanUp(async () => {
    relay.child.kill('SIGKILL')
    await relay.ended
  })
  return relay
}

const addressOf = (relay: RunningRelay) => relay.addresses[0] as string

async function testDevice(relay: RunningRelay): Promise<TestDevice> {
  const device = await TestDevice.create()
  fixture.cleanUp(() => device.close())
  return device.connect(relay.addresses)
}

/** A port that nobody listens on now: a device that comes back must be found where it was. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('case 22: who knows a file', () => {
  test('cannot tell at a relay who has it, nor from the disk of the relay', async () => {
    const data = join(await fixture.directory(), 'data')
    const relay = await run(data)
    const known = new Uint8Array(randomBytes(400_000))
    const held: string[] = []
    for (const name of ['one user', 'another user']) {
      const { device } = await pairedDevices(fixture, addressOf(relay), [name])
      const workspace = await device(name).workspaces.create('files')
      await workspace.write('known.bin', known)
      await workspace.durable({ copies: 2, ...within() })
    }
    const outsider = await testDevice(relay)
    const own = new TestWorkspace()
    await outsider.register(own)
    await outsider.open(own)
    await relay.stop()
    const home = await openRelayHome(data, crypto, { info: () => {}, warn: () => {}, error: () => {} })
    for await (const cid of home.blocks.list()) {
      const digest = toHex(blockDigest(cid))
      held.push(digest)
      // Whose file is the same has other blocks.
      expect(await home.index.keys(below(keys.blockAnywhere(digest))).all()).toHaveLength(1)
      const bytes = Buffer.from(await home.blocks.get(cid))
      for (let at = 0; at < known.length; at += 50_000)
        expect(bytes.includes(Buffer.from(known.subarray(at, at + 32)))).toBe(false)
    }
    await home.close()
    expect(held.length).toBeGreaterThanOrEqual(4)
    const plain = new Uint8Array(createHash('sha256').update(known).digest())
    expect(held).not.toContain(toHex(plain))
    // Not even who knows the names of the blocks learns from the relay that another workspace has them.
    const again = await run(data)
    await outsider.connect(again.addresses)
    await outsider.open(own)
    const { lacking } = await outsider.offerDigests(own.handle, [plain, ...held.map(fromHex)])
    expect(lacking).toEqual(lacking.map(() => true))
  }, 120_000)
})

describe('case 37: a relay that shows two devices different mailboxes', () => {
  test('is healed by direct contact, and exposed as soon as one of them sees the other face', async () => {
    const directory = await fixture.directory()
    const faces = [join(directory, 'a'), join(directory, 'b')] as const
    const before = await run(faces[0])
    const listen = [`/ip4/127.0.0.1/tcp/${await freePort()}`]
    const paired = await pairedDevices(fixture, addressOf(before), ['laptop'], { listen })
    const laptop = paired.device('laptop')
    const notes = await laptop.workspaces.create('notes')
    await using invite = await laptop.devices.invite()
    const desktop = await paired.open('desktop', { listen: [] })
    await desktop.devices.join(invite.ticket)
    await eventually('both have it', async () => (await desktop.workspaces.list()).length === 1)
    await laptop.settled(within())
    await Promise.all([laptop.close(), desktop.close()])
    await before.stop()
    await cp(faces[0], faces[1], { recursive: true })
    const [a, b] = [await run(faces[0]), await run(faces[1])]
    expect(a.peer).toBe(b.peer)

    const first = await paired.open('laptop', { listen: [] })
    await first.relays.add(addressOf(a))
    const second = await paired.open('desktop', { listen: [] })
    await second.relays.add(addressOf(b))
    for (const [device, path] of [
      [first, 'a.txt'],
      [second, 'b.txt'],
    ] as const) {
      const workspace = await device.workspaces.open(notes.id)
      await workspace.write(path, 'withheld')
      await workspace.durable({ copies: 2, ...within() })
    }
    expect(await textOf(second, notes.id, 'a.txt')).toBeUndefined()
    expect(await textOf(first, notes.id, 'b.txt')).toBeUndefined()

    await Promise.all([first.close(), second.close()])
    const met = [await paired.open('laptop', { listen }), await paired.open('desktop', { listen: [] })]
    for (const [i, path] of ['b.txt', 'a.txt'].entries())
      await eventually(`${path} came`, async () => (await textOf(met[i]!, notes.id, path)) === 'withheld')

    await b.stop()
    await met[1]!.relays.add(addressOf(a))
    await eventually('it is exposed', () => met[1]!.relays.list()[0]?.error?.code === 'RELAY_LIED')
    for (const path of ['a.txt', 'b.txt']) expect(await textOf(met[1]!, notes.id, path)).toBe('withheld')
  }, 180_000)
})

/** There are no checkpoints: a mailbox is never trimmed. What remains of the case is that nobody can have it trimmed, and that a relay that does so itself gains nothing. */
describe('case 42: a forged checkpoint', () => {
  test('is no message of the protocol: it ends the session, and the mailbox is whole', async () => {
    const relay = await run(join(await fixture.directory(), 'data'))
    const owner = await testDevice(relay)
    const workspace = new TestWorkspace()
    const { handle } = workspace
    await owner.register(workspace)
    await owner.open(workspace)
    const commits = await workspace.feed().several(5)
    await owner.push(handle, commits)
    const checkpoint = { n: 1_000, handle: fromHex(handle), below: 5, signature: new Uint8Array(64) }
    const frame = lengthPrefixed.encode.single(encodeCbor(['checkpoint', checkpoint])).subarray()
    await owner.stream.send(frame)
    await owner.until(() => owner.ended)
    const other = await testDevice(relay)
    await other.open(workspace)
    expect(await other.readAll(handle)).toEqual(commits.map(({ id }) => id))
  })

  test('by the relay itself: what it dropped is sent again, blocks included', async () => {
    const data = join(await fixture.directory(), 'data')
    const relay = await run(data)
    const { device } = await pairedDevices(fixture, addressOf(relay), ['laptop'])
    const laptop = device('laptop')
    const notes = await laptop.workspaces.create('notes')
    await notes.write('big.bin', new Uint8Array(randomBytes(300_000)))
    await notes.durable({ copies: 2, ...within() })
    const held = async () => {
      const { stdout } = await relayCommand(['status', '--json', '--data', data])
      const { commits, blocks } = JSON.parse(stdout)
      return { commits, blocks }
    }
    const before = await held()
    await relay.stop()
    for (const part of ['log', 'index', 'blocks']) await rm(join(data, part), { recursive: true })
    await laptop.relays.add(addressOf(await run(data)))
    await expect.poll(held, { timeout: 30_000 }).toEqual(before)
    expect(laptop.relays.list()[0]?.error).toBeUndefined()
  }, 120_000)
})
