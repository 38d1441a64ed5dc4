import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Network, NetworkStream } from '@peerfold/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DemoDevice } from '../../dist/demo/device.js'
import { bringUpPair } from '../../dist/demo/pair.js'
import { createLibp2pNetwork } from '../../src/net/create-libp2p-network.js'
import { peakMemory } from './process-memory.js'

const PROTOCOLS = ['/peerfold/sync/1', '/peerfold/pair/1', '/peerfold/blocks/1']
const SECRET = 'nobody else may read this'

/** A stranger that found a device's address: it speaks real libp2p, holds keys of its own and knows the source code. */
describe('a malicious peer', () => {
  let directory: string
  let laptop: DemoDevice
  let desktop: DemoDevice
  let stranger: Network
  let target: string

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'peerfold-evil-'))
    laptop = new DemoDevice('laptop', directory)
    desktop = new DemoDevice('desktop', directory)
    await bringUpPair(laptop, desktop)
    await writeFile(join(laptop.folder, 'secret.txt'), SECRET)
    await laptop.settle()
    stranger = await createLibp2pNetwork({
      peerSeed: new Uint8Array(randomBytes(32)),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      mdns: false,
    })
    const [status] = await laptop.run('status')
    const [address] = (status as { addresses: string[] }).addresses
    target = (await stranger.dial({ addresses: [address as string] })).peer
  }, 120_000)

  afterAll(async () => {
    await stranger?.close()
    await Promise.all([laptop.stop(), desktop.stop()])
    await rm(directory, { recursive: true, force: true })
  }, 60_000)

  /** Sends bytes on a new stream and gives what comes back until the other side ends it. */
  async function speak(protocol: string, frames: Iterable<Uint8Array>): Promise<Uint8Array> {
    const stream = await reconnected(protocol)
    const answer = collect(stream)
    try {
      for (const frame of frames) await stream.send(frame, { signal: AbortSignal.timeout(10_000) })
    } catch {
      // Being cut off in mid-sentence is one of the right answers.
    }
    const bytes = await answer
    stream.abort(new Error('done'))
    return bytes
  }

  async function reconnected(protocol: string): Promise<NetworkStream> {
    const [status] = await laptop.run('status')
    const { addresses } = status as { addresses: string[] }
    target = (await stranger.dial({ addresses })).peer
    return await stranger.open(target, protocol, { signal: AbortSignal.timeout(10_000) })
  }

  async function expectUnharmed(): Promise<void> {
    const text = `after the attack ${randomBytes(8).toString('hex')}`
    await writeFile(join(desktop.folder, 'still-works.txt'), text)
    await desktop.settle()
    expect(await readFile(join(laptop.folder, 'still-works.txt'), 'utf8')).toBe(text)
    expect(await readFile(join(laptop.folder, 'secret.txt'), 'utf8')).toBe(SECRET)
  }

  test.each(PROTOCOLS)(
    'garbage on %s is answered with a refusal or silence, never with content',
    async (protocol) => {
      for (let round = 0; round < 20; round++) {
        const answer = await speak(protocol, [randomBytes(1 + round * 97)])
        expect(Buffer.from(answer).includes(SECRET)).toBe(false)
      }
      await expectUnharmed()
    },
    120_000,
  )

  test.each(PROTOCOLS)(
    'a flood on %s is cut off and fills neither memory nor disk',
    async (protocol) => {
      const before = { disk: await diskUse(laptop.home), memory: await peakMemory(laptop.pid as number) }
      const piece = randomBytes(1 << 20)
      await speak(protocol, repeat(piece, 256))
      await expectUnharmed()
      expect(await diskUse(laptop.home)).toBeLessThan(before.disk + 8 * 2 ** 20)
      expect(await peakMemory(laptop.pid as number)).toBeLessThan(before.memory + 96 * 2 ** 20)
    },
    120_000,
  )

  test.each(PROTOCOLS)(
    'frames that announce gigabytes on %s cost nothing',
    async (protocol) => {
      const before = await peakMemory(laptop.pid as number)
      for (const length of [
        Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f),
        Uint8Array.of(0xff, 0xff, 0xff, 0xff),
      ])
        await speak(protocol, [length, new Uint8Array(1000)])
      await expectUnharmed()
      expect(await peakMemory(laptop.pid as number)).toBeLessThan(before + 64 * 2 ** 20)
    },
    120_000,
  )

  test('streams that are opened and left alone are bounded and do not keep others out', async () => {
    const streams = await Promise.allSettled(
      Array.from({ length: 100 }, (_, i) => reconnected(PROTOCOLS[i % PROTOCOLS.length] as string)),
    )
    await expectUnharmed()
    for (const stream of streams) if (stream.status === 'fulfilled') stream.value.abort(new Error('done'))
  }, 120_000)

  test('it is not listed as a peer and nothing of it is kept', async () => {
    const [status] = (await laptop.run('status')) as unknown as Array<{ peers: Array<{ name: string }> }>
    expect(status?.peers.map(({ name }) => name)).toEqual(['desktop'])
    const devices = await laptop.run('device', 'list')
    expect(devices).toHaveLength(2)
  })
})

async function collect(stream: NetworkStream): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let length = 0
  const deadline = AbortSignal.timeout(15_000)
  deadline.addEventListener('abort', () => stream.abort(new Error('no answer in time')))
  try {
    for await (const piece of stream.source) {
      pieces.push(piece.subarray())
      length += piece.byteLength
      if (length > 2 ** 20) throw new Error('a stranger was sent a mebibyte')
    }
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('a stranger')) throw error
  }
  return Buffer.concat(pieces)
}

function* repeat(piece: Uint8Array, times: number): Generator<Uint8Array> {
  for (let i = 0; i < times; i++) yield piece
}

async function diskUse(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  let bytes = 0
  for (const entry of entries) {
    if (!entry.isFile()) continue
    bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size
  }
  return bytes
}
