import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { blockCid } from '@peerfold/core/platform'
import type { RelayAnswerOf } from '@peerfold/core/relay'
import { type Browser, chromium, type Page } from 'playwright'
import { build, type Rollup } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { needChromium } from '../../../../scripts/chromium.mjs'
import { randomBlock, TestWorkspace } from '../../../relay/test/commits.js'
import { TestDevice } from '../../../relay/test/device.js'
import { type RunningRelay, runRelay } from '../../../relay/test/relay-process.js'
import type { Download, Downloaded } from './http-worker.js'

const BLOCK = 256 * 1024
/** As many as there may be in one offer. */
const BLOCKS = 1024
const HERE = fileURLToPath(new URL('.', import.meta.url))
const source = (path: string) => join(HERE, '../../..', path)

async function bundle(entry: string): Promise<string> {
  const built = (await build({
    configFile: false,
    logLevel: 'error',
    resolve: {
      alias: [
        { find: /^@peerfold\/core\/(\w+)$/, replacement: source('core/src/$1/index.ts') },
        { find: /^@peerfold\/core$/, replacement: source('core/src/index.ts') },
      ],
    },
    build: { write: false, minify: false, lib: { entry, formats: ['es'], fileName: 'worker' } },
  })) as Rollup.RollupOutput[]
  return built[0]!.output[0].code
}

/** A relay process that holds blocks of one workspace, and a page of another origin whose worker fetches them. */
describe('blocks of a relay in Chromium', () => {
  let home: string
  let relay: RunningRelay
  let device: TestDevice
  let workspace: TestWorkspace
  let cids: string[]
  let pages: Server
  let browser: Browser
  let page: Page

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'peerfold-http-'))
    relay = await runRelay(home, ['--open'])
    device = await TestDevice.create()
    await device.connect(relay.addresses)
    workspace = new TestWorkspace()
    await device.register(workspace)
    await device.open(workspace)
    const blocks = Array.from({ length: BLOCKS }, () => randomBlock(BLOCK))
    await (await device.offer(workspace.handle, blocks)).stored
    cids = blocks.map(({ digest }) => blockCid(digest).toString())
    const script = await bundle(join(HERE, 'http-worker.ts'))
    pages = createServer(({ url }, response) => {
      response.setHeader('content-type', url === '/worker.js' ? 'text/javascript' : 'text/html')
      response.end(url === '/worker.js' ? script : '<!doctype html><title>blocks</title>')
    })
    pages.listen(0, '127.0.0.1')
    await once(pages, 'listening')
    browser = await chromium.launch({ executablePath: await needChromium(), args: ['--no-sandbox'] })
    page = await browser.newPage()
    await page.goto(`http://localhost:${(pages.address() as AddressInfo).port}/`)
  }, 180_000)

  afterAll(async () => {
    await browser?.close()
    pages?.close()
    await device?.close()
    await relay?.stop()
    await rm(home, { recursive: true, force: true })
  })

  const ticket = () => device.ask<RelayAnswerOf<'ticket'>>({ type: 'token' })

  const download = (init: Pick<Download, 'ticket' | 'next' | 'cids'>): Promise<Downloaded> =>
    page.evaluate(
      (data) =>
        new Promise<Downloaded>((resolve, reject) => {
          const worker = new Worker('/worker.js', { type: 'module' })
          worker.onerror = ({ message }) => reject(new Error(message))
          worker.onmessage = ({ data }) => {
            worker.terminate()
            if ('done' in data) resolve(data.done)
            else reject(new Error(data.error))
          }
          worker.postMessage(data)
        }),
      { ...init, handle: workspace.handle } satisfies Download,
    )

  async function cpuSeconds(): Promise<number> {
    const fields = (await readFile(`/proc/${relay.pid}/stat`, 'utf8')).split(') ')[1]!.split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  }

  test('come checked, at tens of megabytes a second', async () => {
    const rates: number[] = []
    for (let round = 0; round < 3; round++) {
      const before = await cpuSeconds()
      const { bytes, seconds, requests, faults } = await download({ ticket: await ticket(), cids })
      expect([bytes, faults]).toEqual([BLOCK * BLOCKS, []])
      const rate = bytes / 1e6 / seconds
      rates.push(rate)
      console.log(
        `${rate.toFixed(0)} MB/s, ${requests} requests for ${BLOCKS} blocks, relay ${((await cpuSeconds()) - before).toFixed(2)} CPU-s; ` +
          `${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)}`,
      )
    }
  }, 300_000)

  test('come with another token when the first is refused', async () => {
    const next = await ticket()
    const { bytes, tickets } = await download({
      ticket: { ...next, token: 'x'.repeat(43) },
      next,
      cids: cids.slice(0, 20),
    })
    expect([bytes, tickets]).toEqual([20 * BLOCK, 2])
  })
})
