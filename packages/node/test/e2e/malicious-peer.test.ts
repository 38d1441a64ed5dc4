import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemRandom } from '@peerfold/core/platform'
import * as lengthPrefixed from 'it-length-prefixed'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { decodeTicket, ticketId } from '../../../core/src/access/ticket.js'
import { ticketProof } from '../../../core/src/access/ticket-proof.js'
import type { DeviceSecrets } from '../../../core/src/access/types.js'
import { encodeRequest } from '../../../core/src/exchange/messages.js'
import { encodePairingMessage } from '../../../core/src/sync/pairing-messages.js'
import { DemoDevice } from '../../dist/demo/device.js'
import { bringUpPair } from '../../dist/demo/pair.js'
import { peakMemory } from '../../src/bench/process-memory.js'
import { startCommand } from '../cli/command.js'
import { blockDigests, readKeys } from '../malicious/thief.js'
import { forgedEntries, hello, ownIdentity, requestFor, Stranger } from './stranger.js'

const SYNC = '/peerfold/sync/1'
const PAIR = '/peerfold/pair/1'
const BLOCKS = '/peerfold/blocks/1'
const PROTOCOLS = [SYNC, PAIR, BLOCKS]
const SECRET = `nobody else may read this: ${randomBytes(16).toString('hex')}`
const SECRET_NAME = 'secret-diary.txt'
const MIB = 2 ** 20

/** A stranger that found a device's address, speaks real libp2p and knows the source code, the user's id and the workspace's. */
describe('a malicious peer', () => {
  let directory: string
  let laptop: DemoDevice
  let desktop: DemoDevice
  let addresses: string[]
  let user: string
  let workspace: string
  let before: { disk: number; memory: number }
  /** Everything that any stranger was ever told. */
  const heard: Buffer[] = []

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'peerfold-evil-'))
    laptop = new DemoDevice('laptop', directory)
    desktop = new DemoDevice('desktop', directory)
    await bringUpPair(laptop, desktop)
    await writeFile(join(laptop.folder, SECRET_NAME), SECRET)
    await laptop.settle()
    const [status] = await laptop.run('status')
    const facts = status as {
      addresses: string[]
      device: { user: string }
      workspaces: Array<{ id: string }>
    }
    addresses = facts.addresses
    user = facts.device.user
    workspace = facts.workspaces[0]?.id as string
    before = { disk: await diskUse(laptop.home), memory: await peakMemory(laptop.pid as number) }
  }, 120_000)

  afterAll(async () => {
    await Promise.all([laptop.close(), desktop.close()])
    await rm(directory, { recursive: true, force: true })
  }, 60_000)

  async function stranger<T>(act: (stranger: Stranger) => Promise<T>, secrets?: DeviceSecrets): Promise<T> {
    const one = await Stranger.arrive(addresses, secrets)
    try {
      return await act(one)
    } finally {
      await one.close()
    }
  }

  async function say(by: Stranger, protocol: string, ...frames: Uint8Array[]): Promise<string> {
    const answer = await by.say(protocol, frames)
    heard.push(answer)
    return answer.toString('latin1')
  }

  /** Both devices are alive, go on syncing, and hold what their person put there. */
  async function expectUnharmed(): Promise<void> {
    const text = `after the attack ${randomBytes(8).toString('hex')}`
    await writeFile(join(desktop.folder, 'still-works.txt'), text)
    await desktop.settle()
    const arrived = () => readFile(join(laptop.folder, 'still-works.txt'), 'utf8').catch(() => '')
    await vi.waitUntil(async () => (await arrived()) === text, { timeout: 30_000, interval: 20 })
    expect(await readFile(join(laptop.folder, SECRET_NAME), 'utf8')).toBe(SECRET)
    expect((await readdir(laptop.folder)).sort()).toEqual(['.peerfold', SECRET_NAME, 'still-works.txt'])
  }

  test('garbage is answered with a refusal or silence', async () => {
    const insist = (protocol: string) =>
      stranger(async (one) => {
        const rounds = Array.from({ length: 12 }, (_, i) => say(one, protocol, randomBytes(1 + i * 97)))
        for (const answer of await Promise.all(rounds)) expect(answer.length).toBeLessThan(200)
      })
    await Promise.all(PROTOCOLS.map(insist))
    await expectUnharmed()
  }, 60_000)

  test('floods and frames that announce gigabytes are cut off', async () => {
    const piece = randomBytes(MIB)
    const giants = [Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f), Uint8Array.of(0xff, 0xff, 0xff, 0xff)]
    const flood = async (protocol: string) => {
      await stranger((one) => say(one, protocol, ...Array.from({ length: 64 }, () => piece)))
      for (const giant of giants) await stranger((one) => say(one, protocol, giant, new Uint8Array(1000)))
    }
    await Promise.all(PROTOCOLS.map(flood))
    await expectUnharmed()
  }, 60_000)

  test('streams that are opened and left alone do not keep the others out', async () => {
    await stranger(async (one) => {
      const opened = Array.from({ length: 100 }, (_, i) => one.open(PROTOCOLS[i % 3] as string))
      const streams = await Promise.allSettled(opened)
      await expectUnharmed()
      for (const stream of streams) if (stream.status === 'fulfilled') stream.value.abort(new Error('done'))
    })
  }, 60_000)

  test('connections that come and go do no harm', async () => {
    for (let i = 0; i < 15; i++) await stranger((one) => one.open(SYNC).catch(() => {}))
    await expectUnharmed()
  }, 60_000)

  test('whoever claims to be a device of the user is not believed', async () => {
    await stranger(async (one) => {
      const own = await ownIdentity(one.secrets)
      expect(await say(one, SYNC, hello(own.user, own.entries))).toMatch(/UNAUTHORIZED/)
      expect(await say(one, SYNC, hello(user, own.entries))).toMatch(/UNAUTHORIZED/)
      const forged = await forgedEntries(one.secrets, user, 400)
      expect(await say(one, SYNC, hello(user, forged))).toMatch(/UNAUTHORIZED/)
    })
    expect(await laptop.run('device', 'list')).toHaveLength(2)
    await expectUnharmed()
  }, 60_000)

  test('blocks are for those only who were admitted', async () => {
    const handle = createHash('sha256')
      .update('peerfold/1/handle\0')
      .update(Buffer.from(workspace, 'hex'))
      .digest('hex')
    const digests = await blockDigests(laptop.home, workspace)
    expect(digests.length).toBeGreaterThan(0)
    await stranger(async (one) => {
      const answer = await say(
        one,
        BLOCKS,
        encodeRequest({ type: 'credit', bytes: MIB }),
        encodeRequest({ type: 'want', handle, digests }),
      )
      // REFUSED and the handle that was asked for: 4 + 1 + 32 bytes, and nothing besides.
      expect(answer.length).toBeLessThanOrEqual(37)
    })
  }, 60_000)

  test('five wrong proofs end a ticket, also for who has the right one', async () => {
    const invite = startCommand(laptop.home, ['--json', 'invite'])
    const { secret, inviter } = decodeTicket(String((await invite.line()).ticket))
    const claim = async (by: Stranger, proof: (request: Uint8Array) => Uint8Array) => {
      const request = await requestFor(by.secrets, user)
      const message = { type: 'claim', ticket: ticketId(secret), request, proof: proof(request) } as const
      return await say(by, PAIR, lengthPrefixed.encode.single(encodePairingMessage(message)).subarray())
    }
    await stranger(async (one) => {
      for (let i = 0; i < 5; i++)
        expect(await claim(one, () => systemRandom.bytes(32))).toMatch(/TICKET_INVALID/)
      const peers = { inviter, joiner: one.network.peer }
      const right = (payload: Uint8Array) => ticketProof({ user, secret, peers, role: 'joiner', payload })
      expect(await claim(one, right)).toMatch(/TICKET_USED/)
    })
    invite.child.kill('SIGTERM')
    await invite.ended
    expect(await laptop.run('device', 'list')).toHaveLength(2)
  }, 60_000)

  test('the keys of a removed device open nothing any more', async () => {
    const phone = new DemoDevice('phone', directory)
    await phone.prepare()
    const invite = startCommand(laptop.home, ['--json', 'invite'])
    await phone.run('join', String((await invite.line()).ticket), '--name', 'phone')
    expect((await invite.ended).code).toBe(0)
    await laptop.run('device', 'remove', 'phone')
    const stolen = await readKeys(phone.home)
    await stranger(async (one) => {
      expect(await say(one, SYNC, hello(user, stolen.entries))).toMatch(/DEVICE_REVOKED/)
    }, stolen.secrets)
    await expectUnharmed()
  }, 60_000)

  test('after all that, strangers know nothing, left nothing, and are not listed', async () => {
    const told = Buffer.concat(heard)
    for (const fact of [SECRET, SECRET_NAME, 'laptop', 'desktop', workspace, user]) {
      expect(told.includes(fact), fact).toBe(false)
      if (/^[0-9a-f]{64}$/.test(fact)) expect(told.includes(Buffer.from(fact, 'hex')), fact).toBe(false)
    }
    const [status] = (await laptop.run('status')) as unknown as Array<{ peers: Array<{ name: string }> }>
    expect(status?.peers.map(({ name }) => name)).toEqual(['desktop'])
    expect(await diskUse(laptop.home)).toBeLessThan(before.disk + 2 * MIB)
    expect(await peakMemory(laptop.pid as number)).toBeLessThan(before.memory + 100 * MIB)
  })
})

async function diskUse(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  let bytes = 0
  for (const entry of entries) {
    if (!entry.isFile()) continue
    bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size
  }
  return bytes
}
