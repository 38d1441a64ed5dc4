import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { findChromium } from '../../../../../scripts/chromium.mjs'
import { type RunningRelay, runRelay } from '../../../../relay/test/relay-process.js'
import { type ServedPage, servePage } from '../serve-page.js'
import type { Peer } from './page/worker.js'

const MIB = 1024 * 1024
/** Longer than ICE takes to give up. */
const DEADLINE = 60_000

let site: ServedPage
let relay: RunningRelay
let browser: Browser
let data: string
const problems: string[] = []

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'peerfold-webrtc-'))
  relay = await runRelay(data, ['--listen', '/ip4/127.0.0.1/tcp/0/ws'])
  site = await servePage(new URL('page/', import.meta.url))
  browser = await chromium.launch({ executablePath: await findChromium(), args: ['--no-sandbox'] })
}, 120_000)

afterAll(async () => {
  await browser?.close()
  await relay?.stop()
  await site?.[Symbol.asyncDispose]()
  await rm(data, { recursive: true, force: true })
})

afterEach(async () => {
  for (const context of browser.contexts()) await context.close()
  expect(problems.splice(0)).toEqual([])
})

type Ask = <M extends keyof Peer>(method: M, ...args: Parameters<Peer[M]>) => ReturnType<Peer[M]>

interface PeerPage {
  page: Page
  /** Calls the peer in its worker. */
  ask: Ask
  self: { peer: string; addresses: string[] }
}

/** A peer in the worker of a page in a browser profile of its own. */
async function openPeer(): Promise<PeerPage> {
  const context = await browser.newContext()
  const page = await context.newPage()
  page.on('pageerror', (error) => problems.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text())
  })
  await page.goto(site.url)
  await page.waitForFunction(() => 'call' in globalThis)
  const ask = ((method: keyof Peer, ...args: unknown[]) =>
    page.evaluate((asked) => globalThis.call(asked.method, asked.args), { method, args })) as Ask
  return { page, ask, self: await ask('start', { peer: relay.peer, addresses: relay.addresses }) }
}

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + DEADLINE
  while (!(await holds())) {
    if (performance.now() > until) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const carriers = async ({ ask }: PeerPage, to: PeerPage) =>
  (await ask('connections')).filter(({ peer }) => peer === to.self.peer).map(({ carrier }) => carrier)

describe('two browsers', () => {
  test('tell of themselves only what leads through their relay, by circuit and by WebRTC', async () => {
    const { peer, addresses } = (await openPeer()).self
    const [through] = relay.addresses.filter((address) => address.includes('/ws'))
    expect(addresses).toEqual([
      `${through}/p2p-circuit/webrtc/p2p/${peer}`,
      `${through}/p2p-circuit/p2p/${peer}`,
    ])
  })

  test('exchange megabytes over WebRTC, and the relay carries no more than their signals', async () => {
    const [a, b] = [await openPeer(), await openPeer()]
    const begun = performance.now()
    expect(await a.ask('dial', b.self)).toMatchObject({ peer: b.self.peer, carrier: 'webrtc' })
    const dialled = performance.now() - begun
    await eventually('both use it', async () => (await carriers(b, a))[0] === 'webrtc')
    const figures = []
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const { ms, webSocketBytes } = await from.ask('send', to.self.peer, 32 * MIB)
      expect(webSocketBytes).toBeLessThan(64 * 1024)
      figures.push(`${((32 * 1000) / ms).toFixed(1)} MiB/s`)
    }
    process.stdout.write(
      `WebRTC between workers: dialled in ${dialled.toFixed(0)} ms, ${figures.join(' and ')}\n`,
    )
    expect(await carriers(a, b)).toEqual(['webrtc'])
    for (const { page } of [a, b]) expect(await page.evaluate(() => globalThis.iceServers)).toEqual([[]])
  }, 120_000)

  test('take no more than there is room for: who sends on to one that does not read loses the stream, and nothing else', async () => {
    const [a, b] = [await openPeer(), await openPeer()]
    await a.ask('dial', b.self)
    const { sent, code } = await a.ask('sendInVain', b.self.peer)
    expect(code).toBe('NOT_CONNECTED')
    expect(sent).toBeLessThan(32 * MIB)
    expect(await carriers(a, b)).toEqual(['webrtc'])
    await a.ask('send', b.self.peer, MIB)
  }, 120_000)

  test('find each other in the DHT of their relay', async () => {
    const [a, b] = [await openPeer(), await openPeer()]
    const key = 'k'.repeat(32)
    await b.ask('announce', key)
    expect(await a.ask('find', key)).toEqual([b.self.peer])
  }, 120_000)

  test('notice when the other’s page is closed, or its bridge', async () => {
    const [a, b, c] = [await openPeer(), await openPeer(), await openPeer()]
    await a.ask('dial', b.self)
    await a.ask('dial', c.self)
    await eventually(
      'both use WebRTC',
      async () => (await a.ask('routes')).filter((r) => r === 'webrtc').length === 2,
    )
    await b.page.close()
    await c.page.evaluate(() => globalThis.closeBridge())
    await eventually('they are gone', async () => {
      const left = [...(await carriers(a, b)), ...(await carriers(a, c)), ...(await carriers(c, a))]
      return !left.includes('webrtc')
    })
  }, 120_000)
})
