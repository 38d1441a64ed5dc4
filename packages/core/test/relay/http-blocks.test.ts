import { CID } from 'multiformats/cid'
import { describe, expect, onTestFinished, test } from 'vitest'
import { peerIdOfKey } from '../../src/access/peer-key.js'
import type { Peerfold } from '../../src/api.js'
import { createWebCrypto } from '../../src/crypto/web-crypto.js'
import { createPeerfold } from '../../src/device/peerfold.js'
import { equalBytes } from '../../src/encoding/bytes.js'
import type { BlocksRequest, FetchBlocks } from '../../src/exchange/fetch-blocks.js'
import { systemClock } from '../../src/platform/system-clock.js'
import { systemRandom } from '../../src/platform/system-random.js'
import { keepsSecrets } from '../../src/relay/keeps-secrets.js'
import { createMemoryHub, createMemoryNetwork } from '../../src/testing/memory-network.js'
import { MemoryHome } from '../../src/testing/test-peers.js'
import { waitUntil } from '../device/replicas.js'
import { lengthOf } from '../exchange/scripted-http.js'
import { ScriptedRelay } from './scripted-relay.js'

const MIB = 2 ** 20

/** A laptop that wrote a file and went away, a relay that has it, and a desktop that asks for blocks over HTTP. */
async function world(urls: string[]) {
  const hub = createMemoryHub({ clock: systemClock })
  const relay = new ScriptedRelay(hub, new Uint8Array(32).fill(210))
  relay.urls = urls
  onTestFinished(() => relay.close())
  const requests: BlocksRequest[] = []
  const fetchBlocks: FetchBlocks = async (request) => {
    requests.push(request)
    return answer(relay, request)
  }
  const homes = new Map<string, MemoryHome>()
  const open = async (name: string): Promise<Peerfold> => {
    const home = homes.get(name) ?? new MemoryHome(systemRandom)
    homes.set(name, home)
    const crypto = createWebCrypto()
    const device = await createPeerfold(
      {
        home,
        crypto,
        clock: systemClock,
        random: systemRandom,
        network: async ({ peerSeed }) => createMemoryNetwork(hub, peerIdOfKey(crypto.publicKey(peerSeed))),
        ...(name === 'desktop' ? { fetchBlocks } : undefined),
      },
      { name },
    )
    onTestFinished(() => device.close())
    return device
  }
  const [laptop, desktop] = [await open('laptop'), await open('desktop')]
  await laptop.identity.create()
  await laptop.relays.add(relay.address)
  await using invite = await laptop.devices.invite()
  await desktop.devices.join(invite.ticket)
  const files = await laptop.workspaces.create('files')
  await waitUntil('both know it', async () => (await desktop.workspaces.list()).length === 1)
  await desktop.close()
  const bytes = systemRandom.bytes(3 * MIB)
  await files.write('photo.raw', bytes)
  await files.durable({ copies: 2, signal: AbortSignal.timeout(20_000) })
  await laptop.close()
  requests.length = 0
  return { desktop: await open('desktop'), workspace: files.id, bytes, requests }
}

async function* answer(relay: ScriptedRelay, { handle, cids }: BlocksRequest): AsyncGenerator<Uint8Array> {
  for (const cid of cids) {
    const bytes = await relay.mailboxes.get(handle)!.blocks.get(CID.parse(cid))
    yield lengthOf(bytes.length)
    yield bytes
  }
}

async function reads(device: Peerfold, workspace: string, path: string): Promise<Uint8Array> {
  let read: Uint8Array | undefined
  await waitUntil(`${path} is there`, async () => {
    const same = await device.workspaces.open(workspace).catch(() => undefined)
    read = await same
      ?.read(path)
      .bytes()
      .catch(() => undefined)
    return read !== undefined
  })
  return read!
}

describe('a device that can ask relays over HTTP', () => {
  test('has what others wrote from there, with the token of its session', async () => {
    const { desktop, workspace, bytes, requests } = await world(['https://relay.test'])
    expect(equalBytes(await reads(desktop, workspace, 'photo.raw'), bytes)).toBe(true)
    const asked = requests.flatMap(({ cids }) => cids)
    expect(asked.length).toBeGreaterThan(2)
    expect(requests.every(({ token, url }) => token === 't' && url === 'https://relay.test')).toBe(true)
  })

  test('never tells the token to a relay without TLS, and has everything all the same', async () => {
    const { desktop, workspace, bytes, requests } = await world(['http://relay.test', 'ws://127.0.0.1:1'])
    expect(equalBytes(await reads(desktop, workspace, 'photo.raw'), bytes)).toBe(true)
    expect(requests).toEqual([])
  })
})

test.each([
  ['https://relay.example', true],
  ['https://relay.example:8460/base', true],
  ['http://127.0.0.1:8460', true],
  ['http://127.9.9.9', true],
  ['http://localhost:1', true],
  ['http://[::1]:1', true],
  ['http://relay.example', false],
  ['http://localhost.example', false],
  ['http://127.0.0.1.example', false],
  ['http://192.168.1.2', false],
  ['http://[::2]', false],
  ['http://localhost@relay.example', false],
  ['https://user@relay.example', false],
  ['wss://relay.example', false],
  ['file:///etc/passwd', false],
  ['relay.example', false],
  ['', false],
])('whether a token may be sent to %j: %s', (url, may) => {
  expect(keepsSecrets(url)).toBe(may)
})
