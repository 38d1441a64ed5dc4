import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Crypto } from '@peerfold/core'
import { createWebCrypto } from '@peerfold/core/platform'
import { assertCode, assertEqual, createSeededRandom, cryptoSuite } from '@peerfold/core/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { createCryptoRunner } from '../../src/workers/crypto-runner.js'
import { createNodeCrypto, type NodeCryptoInit } from '../../src/workers/node-crypto.js'
import { WorkerPool } from '../../src/workers/worker-pool.js'
import { WORKER_SOURCE } from '../../src/workers/worker-source.js'

describe('OpenSSL', () => cryptoSuite({ describe, test }, () => createNodeCrypto()))

describe('OpenSSL, everything in threads', () =>
  cryptoSuite({ describe, test }, () => createNodeCrypto({ inlineBytes: -1 })))

describe('OpenSSL, nothing in threads', () =>
  cryptoSuite({ describe, test }, () => createNodeCrypto({ inlineBytes: Number.POSITIVE_INFINITY })))

describe('worker threads', () => {
  const opened: Crypto[] = []
  const create = (init: NodeCryptoInit) => {
    const crypto = createNodeCrypto(init)
    opened.push(crypto)
    return crypto
  }
  afterEach(async () => {
    for (const crypto of opened.splice(0)) await crypto.close()
  })

  const random = createSeededRandom('threads')
  const chunks = () => Array.from({ length: 24 }, (_, i) => random.bytes(100_000 + i))
  const secret = new Uint8Array(32).fill(4)

  test('give the same bytes as WebCrypto, in order, however a batch is split', async () => {
    const batch = chunks()
    const crypto = create({ threads: 3 })
    assertEqual(await crypto.sealChunks(secret, batch), await createWebCrypto().sealChunks(secret, batch))
  })

  test('name the job of the whole batch that does not open', async () => {
    const crypto = create({ threads: 3, inlineBytes: -1 })
    const sealed = await crypto.sealChunks(secret, chunks())
    const wrong = sealed.map((chunk, i) => (i === 17 ? { ...chunk, key: secret } : chunk))
    expect((await assertCode(crypto.openChunks(wrong), 'DECRYPT_FAILED')).details.index).toBe(17)
  })

  test('take over the memory of chunks that were given up, and of no others', async () => {
    const crypto = create({ threads: 1, inlineBytes: -1 })
    const own = random.bytes(200_000)
    const shared = random.bytes(400_000)
    const view = shared.subarray(10, 200_010)
    await crypto.sealChunks(secret, [own, view], { giveUp: true })
    expect([own.length, view.length, shared.length]).toEqual([0, 200_000, 400_000])
  })

  test('let go of what waits when it is aborted, and go on', async () => {
    const crypto = create({ threads: 1, inlineBytes: -1 })
    const controller = new AbortController()
    const reason = new Error('enough')
    const calls = Array.from({ length: 8 }, () =>
      crypto.sealChunks(secret, chunks(), { signal: controller.signal }),
    )
    controller.abort(reason)
    for (const outcome of await Promise.allSettled(calls)) expect(outcome).toMatchObject({ reason })
    expect(await crypto.hash([new Uint8Array(3)])).toHaveLength(1)
  })

  test('fail what waits when they are closed', async () => {
    const crypto = create({ threads: 1, inlineBytes: -1 })
    const calls = Array.from({ length: 5 }, () => crypto.hash(chunks()))
    const codes = calls.map((call) => assertCode(call, 'CLOSED'))
    await crypto.close()
    await Promise.all(codes)
  })

  test('report an error of the thread itself and go on', async () => {
    const pool = new WorkerPool({ threads: 1 })
    const run = (items: unknown[]) =>
      pool.run(() => ({ task: { kind: 'hash', items: items as Uint8Array[] }, move: [] }))
    await assertCode(run([null]), 'INTERNAL')
    expect(await run([new Uint8Array(3)])).toMatchObject({ results: [{ length: 32 }] })
    await pool.close()
  })

  test('do not keep a process alive that forgot to close them', async () => {
    // The child runs the very source of the pool's threads and leaves them open, idle and unreferenced.
    const program = `
      const { Worker } = require('node:worker_threads')
      const worker = new Worker(${JSON.stringify(WORKER_SOURCE)}, { eval: true })
      worker.unref()
      worker.ref()
      worker.once('message', ({ outcome }) => { console.log(outcome.results[0].length); worker.unref() })
      worker.postMessage({ id: 1, task: { kind: 'hash', items: [new Uint8Array(5)] } })`
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], { timeout: 20_000 })
    expect(stdout.trim()).toBe('32')
  })

  test('get a program that refers to nothing outside itself', () => {
    expect(createCryptoRunner.toString()).not.toMatch(/__vi_|__name|import\(/)
  })
})
