import { randomBytes } from 'node:crypto'
import { PeerfoldError } from '@peerfold/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createMetrics } from '../../src/metrics.js'
import { INCARNATION } from './fake-service.js'
import { type HttpFixture, startFixture } from './harness.js'

let http: HttpFixture

beforeEach(async () => {
  http = await startFixture()
})

afterEach(() => http.close())

/** Status, code of the body, and that it has nothing else than it should. */
async function refused(response: Response): Promise<[number, string]> {
  const body = await response.json()
  expect(Object.keys(body)).toEqual(['code', 'message'])
  expect(response.headers.get('content-type')).toBe('application/json')
  expect(response.headers.get('access-control-allow-origin')).toBe('*')
  return [response.status, body.code]
}

describe('health', () => {
  test('/livez while it lives, /readyz while it takes what devices send', async () => {
    expect((await http.fetch('/livez')).status).toBe(200)
    expect(await (await http.fetch('/readyz')).json()).toEqual({ state: 'ready' })
    http.service.state = 'read-only'
    http.service.reason = 'the disk is full'
    const response = await http.fetch('/readyz')
    expect([response.status, await response.json()]).toEqual([
      503,
      { state: 'read-only', reason: 'the disk is full' },
    ])
    expect((await http.fetch('/livez')).status).toBe(200)
  })

  test('/metrics, in the format of Prometheus, without names of workspaces, devices or tokens', async () => {
    const handle = http.service.addMailbox()
    const token = http.service.token([handle])
    await http.poll(token, { mailboxes: [{ handle, incarnation: INCARNATION, next: 9 }], timeoutMs: 0 })
    const response = await http.fetch('/metrics')
    const text = await response.text()
    expect(response.headers.get('content-type')).toContain('version=0.0.4')
    expect(text).toContain('peerfold_relay_http_requests_total{route="poll",status="200"} 1')
    expect(text).toMatch(/process_resident_memory_bytes \d+/)
    expect(text).toMatch(/nodejs_eventloop_lag_p99_seconds /)
    for (const secret of [handle, token]) expect(text).not.toContain(secret)
  })

  test('/metrics is for this machine only, not for whom a proxy brings', async () => {
    const response = await http.fetch('/metrics', { headers: { 'x-forwarded-for': '203.0.113.5' } })
    expect(await refused(response)).toEqual([403, 'UNAUTHORIZED'])
  })

  test('counters and gauges of the relay', async () => {
    const { registry, watch } = createMetrics()
    const status = { mailboxes: 2, commits: 7, blocks: 9, bytes: 1234 }
    watch({
      state: 'ready',
      counters: () => ({ commitsStored: 7, requests: { push: 3 }, failed: { BUSY: 2 } }) as any,
      gauges: () => ({ sessions: 4, openMailboxes: 5, queued: 1, queuedBytes: 600 }),
      status: async () => status as any,
      onStored: (listener) => {
        listener(0.004)
        return () => {}
      },
    })
    const text = `${await registry.metrics()}${await registry.metrics()}`
    for (const line of [
      'peerfold_relay_commits_stored_total 7',
      'peerfold_relay_requests_total{kind="push"} 3',
      'peerfold_relay_failed_total{code="BUSY"} 2',
      'peerfold_relay_sessions 4',
      'peerfold_relay_queue_bytes 600',
      'peerfold_relay_stored_bytes 1234',
      'peerfold_relay_ready 1',
      'peerfold_relay_ack_seconds_count 1',
      'peerfold_relay_ack_seconds_bucket{le="0.005"} 1',
    ])
      expect(text.split('\n').filter((other) => other === line)).toHaveLength(2)
  })
})

describe('blocks', () => {
  let handle: string
  let token: string
  const bytes = randomBytes(300_000)

  beforeEach(() => {
    handle = http.service.addMailbox()
    token = http.service.token([handle])
  })

  test('come whole, named, and to be kept for ever', async () => {
    const cid = http.service.addBlock(handle, bytes)
    const response = await http.fetch(`/v1/blocks/${handle}/${cid}`, { token })
    expect(response.status).toBe(200)
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      etag: `"${cid}"`,
      'cache-control': 'private, max-age=31536000, immutable',
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'access-control-allow-origin': '*',
      'content-length': '300000',
    })
  })

  test('HEAD tells the same without them', async () => {
    const cid = http.service.addBlock(handle, bytes)
    const response = await http.fetch(`/v1/blocks/${handle}/${cid}`, { token, method: 'HEAD' })
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([
      200,
      '300000',
      '',
    ])
  })

  test('who has it already is told so, and nobody without a token', async () => {
    const cid = http.service.addBlock(handle, bytes)
    const headers = { 'if-none-match': `"other", "${cid}"` }
    const path = `/v1/blocks/${handle}/${cid}`
    expect((await http.fetch(path, { token, headers })).status).toBe(304)
    expect((await http.fetch(path, { headers })).status).toBe(401)
    expect((await http.fetch(path, { token, headers: { 'if-none-match': '"other"' } })).status).toBe(200)
  })

  test('404 for one that this workspace has not, though another has it', async () => {
    const other = http.service.addMailbox()
    const cid = http.service.addBlock(other, bytes)
    const response = await http.fetch(`/v1/blocks/${handle}/${cid}`, { token })
    expect(response.headers.get('etag')).toBeNull()
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await refused(response)).toEqual([404, 'BLOCK_NOT_FOUND'])
  })

  test('401 without a token, with a wrong one, and with something else', async () => {
    const path = `/v1/blocks/${handle}/${http.service.addBlock(handle, bytes)}`
    for (const authorization of ['', 'Bearer', 'Bearer x', `Basic ${token}`, `Bearer ${token} ${token}`]) {
      const response = await http.fetch(path, authorization === '' ? {} : { headers: { authorization } })
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
      expect(await refused(response)).toEqual([401, 'UNAUTHORIZED'])
    }
  })

  test('403 for a workspace that the token is not for, whether it exists or not', async () => {
    const other = http.service.addMailbox()
    const cid = http.service.addBlock(other, bytes)
    for (const where of [other, 'ff'.repeat(32)])
      expect(await refused(await http.fetch(`/v1/blocks/${where}/${cid}`, { token }))).toEqual([
        403,
        'UNAUTHORIZED',
      ])
  })

  test('400 for what is no name of a block', async () => {
    const cid = http.service.addBlock(handle, bytes)
    const names = [
      `${handle}/${cid}x`,
      `${handle}/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKpcuM`,
      `${handle}/x`,
      `${handle}/`,
      `${handle.toUpperCase()}/${cid}`,
      `${handle.slice(2)}/${cid}`,
      `${handle}/${cid.toString().toUpperCase()}`,
      `${handle}/%2e%2e%2fkey`,
    ]
    for (const name of names)
      expect(await refused(await http.fetch(`/v1/blocks/${name}`, { token })), name).toEqual([
        400,
        'MESSAGE_INVALID',
      ])
  })

  test('a damaged block is not found; a disk that fails asks to come again, and says no more', async () => {
    const cid = http.service.addBlock(handle, bytes)
    const path = `/v1/blocks/${handle}/${cid}`
    http.service.onRead = () => {
      throw new PeerfoldError('BLOCK_CORRUPT', '/secret/place is damaged')
    }
    expect(await refused(await http.fetch(path, { token }))).toEqual([404, 'BLOCK_NOT_FOUND'])
    http.service.onRead = () => {
      throw new PeerfoldError('IO_FAILED', '/secret/place cannot be read')
    }
    const failed = await http.fetch(path, { token })
    expect(Number(failed.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await failed.text()).not.toContain('secret')
    http.service.onRead = () => {
      throw new TypeError('secret')
    }
    const bug = await http.fetch(path, { token })
    expect(bug.status).toBe(500)
    expect(await bug.text()).not.toContain('secret')
    expect(http.logged.join('')).toContain('TypeError: secret')
    expect(http.logged.join('')).not.toContain(handle)
  })

  test('memory for slow readers is bounded: more are asked to come again, and served when there is room', async () => {
    const small = await startFixture({ blockBytes: 3_000_000 })
    try {
      const place = small.service.addMailbox()
      const cid = small.service.addBlock(place, bytes)
      let release = () => {}
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      let reading = 0
      const both = new Promise<void>((resolve) => {
        small.service.onRead = () => {
          if (++reading === 2) resolve()
          return held
        }
      })
      const get = () => small.fetch(`/v1/blocks/${place}/${cid}`, { token: small.service.token([place]) })
      const first = [get(), get()]
      await both
      const third = await get()
      expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(await refused(third)).toEqual([503, 'BUSY'])
      release()
      for (const response of await Promise.all(first)) expect(response.status).toBe(200)
      await expect.poll(async () => (await get()).status).toBe(200)
    } finally {
      await small.close()
    }
  })
})

describe('browsers', () => {
  test.each([['/v1/poll'], [`/v1/blocks/${'ab'.repeat(32)}`], [`/v1/blocks/${'ab'.repeat(32)}/x`]])(
    'may ask beforehand: %s',
    async (path) => {
      const response = await http.fetch(path, {
        method: 'OPTIONS',
        headers: {
          origin: 'https://app.example',
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type',
        },
      })
      expect(response.status).toBe(204)
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'GET, HEAD, POST',
        'access-control-allow-headers': 'Authorization, Content-Type, If-None-Match',
      })
      // Cookies and the like are never wanted.
      expect(response.headers.get('access-control-allow-credentials')).toBeNull()
    },
  )
})

describe('other addresses and methods', () => {
  test('404 for what there is not', async () => {
    for (const path of [
      '/',
      '/v1',
      '/v1/blocks',
      '/v1/poll/x',
      '/v2/poll',
      '/livez/',
      '/livez?x=1',
      '//livez',
    ])
      expect(await refused(await http.fetch(path)), path).toEqual([404, 'NOT_FOUND'])
  })

  test('405 with what is allowed', async () => {
    const response = await http.fetch('/v1/poll', { method: 'GET' })
    expect(response.headers.get('allow')).toBe('POST, OPTIONS')
    expect(await refused(response)).toEqual([405, 'INVALID_ARGUMENT'])
    expect((await http.fetch('/livez', { method: 'DELETE' })).status).toBe(405)
  })
})

describe('too much of one address', () => {
  test('429 with how long to wait; others and health are answered', async () => {
    const small = await startFixture({ requestsPerAddress: 1, behindProxy: true, announce: [] })
    try {
      const from = (address: string, path = '/v1/poll') =>
        small.fetch(path, { method: 'OPTIONS', headers: { 'x-forwarded-for': `198.51.100.1, ${address}` } })
      const answers = await Promise.all(Array.from({ length: 30 }, () => from('203.0.113.5')))
      const limited = answers.filter(({ status }) => status === 429)
      expect(limited.length).toBeGreaterThan(0)
      expect(answers.filter(({ status }) => status === 204).length).toBeGreaterThanOrEqual(10)
      expect(Number(limited[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(await refused(limited[0] as Response)).toEqual([429, 'BUSY'])
      expect((await from('203.0.113.6')).status).toBe(204)
      expect((await from('203.0.113.5', '/livez')).status).toBe(204)
    } finally {
      await small.close()
    }
  })
})
