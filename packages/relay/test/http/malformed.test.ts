import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { INCARNATION } from './fake-service.js'
import { type HttpFixture, readAll, startFixture } from './harness.js'

let http: HttpFixture
let handle: string
let token: string

beforeEach(async () => {
  // Cut off soon; the harmless twins are sent at once.
  http = await startFixture({ headersTimeout: 400, requestTimeout: 800, keepAliveTimeout: 60_000 })
  handle = http.service.addMailbox()
  token = http.service.token([handle])
})

afterEach(async () => {
  // Whatever came, the relay still serves others, and nothing is left of it.
  expect((await http.fetch('/livez')).status).toBe(200)
  await http.close()
  expect(http.logged.join('')).not.toContain(token)
})

const poll = (body: string, headers = '', length = Buffer.byteLength(body)) =>
  `POST /v1/poll HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${length}\r\n${headers}\r\n${body}`
const wanted = () =>
  JSON.stringify({ mailboxes: [{ handle, incarnation: INCARNATION, next: 5 }], timeoutMs: 0 })
const padded = (bytes: number) => wanted().padEnd(bytes, ' ')
/** The whole answer of status and body is there. */
const ANSWERED = /^HTTP\/1\.1 (?!100)\d{3} [\s\S]*\r\n\r\n.*[}\n]/

const statusOf = (text: string) =>
  Number(/^HTTP\/1\.1 (?:100 [^\r]*\r\n\r\nHTTP\/1\.1 )?(\d+)/.exec(text)?.[1])

describe('each malformed request is refused, and its harmless twin served', () => {
  test.each<[string, number, () => string, () => string]>([
    ['no HTTP', 400, () => 'hello relay\r\n\r\n', () => 'GET /livez HTTP/1.1\r\nHost: relay\r\n\r\n'],
    ['a TLS greeting', 400, () => '\x16\x03\x01\x02\x00\x01\x00\x01', () => 'GET /livez HTTP/1.0\r\n\r\n'],
    ['no Host', 400, () => 'GET /livez HTTP/1.1\r\n\r\n', () => 'GET /livez HTTP/1.1\r\nHost: relay\r\n\r\n'],
    [
      'headers that are too large',
      431,
      () => `GET /livez HTTP/1.1\r\nHost: relay\r\nX-Pad: ${'x'.repeat(9_000)}\r\n\r\n`,
      () => `GET /livez HTTP/1.1\r\nHost: relay\r\nX-Pad: ${'x'.repeat(7_000)}\r\n\r\n`,
    ],
    [
      'an address that is too long',
      431,
      () => `GET /${'x'.repeat(9_000)} HTTP/1.1\r\nHost: relay\r\n\r\n`,
      () => 'GET /livez HTTP/1.1\r\nHost: relay\r\n\r\n',
    ],
    ['a body above 64 KiB, as it says', 413, () => poll('{', '', 65_537), () => poll(padded(65_536))],
    [
      'a body above 64 KiB, in chunks that do not say',
      413,
      () =>
        poll('', '').replace('Content-Length: 0', 'Transfer-Encoding: chunked') + chunk(70_000) + chunk(10),
      () =>
        poll('', '').replace('Content-Length: 0', 'Transfer-Encoding: chunked') +
        `${wanted().length.toString(16)}\r\n${wanted()}\r\n0\r\n\r\n`,
    ],
    [
      'two lengths',
      400,
      () => poll(wanted(), 'Content-Length: 1\r\n'),
      () => poll(wanted(), 'X-Content-Length: 1\r\n'),
    ],
    [
      'a length and chunks',
      400,
      () => poll(wanted(), 'Transfer-Encoding: chunked\r\n'),
      () => poll(wanted(), 'X-Transfer-Encoding: chunked\r\n'),
    ],
    [
      'a line end in a header',
      400,
      () => poll(wanted(), 'X-A: b\nX-C\r\n'),
      () => poll(wanted(), 'X-A: b\r\n'),
    ],
    ['a negative length', 400, () => poll('', '', -1), () => poll(wanted())],
    ['JSON that is none', 400, () => poll('{"mailboxes": ['), () => poll(wanted())],
    ['no body at all', 400, () => poll(''), () => poll(wanted())],
    [
      'text that is no UTF-8',
      400,
      () => poll(wanted()).replace('timeoutMs', 'timeou\xffMs'),
      () => poll(wanted()),
    ],
  ])('%s', async (_, status, wrong, twin) => {
    const answer = await http.raw(Buffer.from(wrong(), 'latin1'), { until: ANSWERED })
    expect(statusOf(answer)).toBe(status)
    const body = answer.slice(answer.lastIndexOf('\r\n\r\n') + 4)
    expect(JSON.parse(body)).toEqual({ code: 'MESSAGE_INVALID', message: expect.any(String) })
    expect(statusOf(await http.raw(twin(), { until: ANSWERED }))).toBe(200)
  })

  test.each<[string, unknown]>([
    ['a list', []],
    ['no mailboxes', { timeoutMs: 0 }],
    ['none in it', { mailboxes: [], timeoutMs: 0 }],
    ['no timeout', { mailboxes: [{ handle: 'ab'.repeat(32), incarnation: INCARNATION, next: 1 }] }],
    ['more than is known', { mailboxes: [place(1)], timeoutMs: 0, extra: 1 }],
    ['a timeout above 55 s', { mailboxes: [place(1)], timeoutMs: 55_001 }],
    ['a negative timeout', { mailboxes: [place(1)], timeoutMs: -1 }],
    ['a timeout in words', { mailboxes: [place(1)], timeoutMs: '5' }],
    ['a handle that is none', { mailboxes: [{ ...place(1), handle: '../key' }], timeoutMs: 0 }],
    ['a place below the first', { mailboxes: [{ ...place(1), next: 0 }], timeoutMs: 0 }],
    ['a place between two', { mailboxes: [{ ...place(1), next: 1.5 }], timeoutMs: 0 }],
    ['a place beyond numbers', { mailboxes: [{ ...place(1), next: 1e300 }], timeoutMs: 0 }],
    ['an incarnation that is none', { mailboxes: [{ ...place(1), incarnation: 'aa' }], timeoutMs: 0 }],
    ['one mailbox twice', { mailboxes: [place(1), place(1)], timeoutMs: 0 }],
    ['prototypes', JSON.parse(`{"__proto__": {"mailboxes": []}, "timeoutMs": 0}`)],
    ['1,025 mailboxes', { mailboxes: Array.from({ length: 1025 }, (_, i) => small(i)), timeoutMs: 0 }],
  ])('a poll with %s', async (_, body) => {
    const response = await http.poll(token, body)
    expect([400, 413]).toContain(response.status)
    expect((await response.json()).code).toBe('MESSAGE_INVALID')
  })
})

describe('who sends slowly is cut off', () => {
  test.each<[string, () => string]>([
    ['in the headers', () => 'GET /livez HTTP/1.1\r\nHost: re'],
    ['in the body', () => poll('{"mailbox', '', 200)],
    ['before the first byte', () => ''],
  ])('%s', async (_, part) => {
    const answer = await http.raw(part())
    if (part() !== '') expect(statusOf(answer)).toBe(408)
  })

  test('a byte at a time is no way around it', async () => {
    const socket = await http.socket()
    const ended = readAll(socket)
    let bytes = 0
    const drip = setInterval(() => socket.write(bytes++ === 0 ? 'G' : 'E'), 50)
    await ended
    clearInterval(drip)
    expect(bytes).toBeGreaterThan(0)
  })

  test('who waits for an answer that takes long is not', async () => {
    const asked = http.poll(token, {
      mailboxes: [{ handle, incarnation: INCARNATION, next: 1 }],
      timeoutMs: 3_000,
    })
    expect((await asked).status).toBe(204)
  })
})

describe('truncated requests', () => {
  test('the body ends early: nobody waits for the rest', async () => {
    const answer = await http.raw(poll(wanted().slice(0, 20), '', wanted().length), { end: true })
    expect(statusOf(answer)).toBe(400)
  })

  test('the connection breaks in the middle of the body', async () => {
    const socket = await http.socket()
    socket.write(poll('{"mail', '', 100))
    socket.resetAndDestroy()
    await once(socket, 'close')
  })

  test('a request behind another on one connection is answered too, after it', async () => {
    const get = 'GET /livez HTTP/1.1\r\nHost: relay\r\n'
    const answer = await http.raw(`${get}\r\n${get}Connection: close\r\n\r\n`)
    expect(answer.match(/HTTP\/1\.1 200/g)).toHaveLength(2)
  })

  test('rubbish behind a request does not spoil its answer', async () => {
    const answer = await http.raw(poll(wanted(), 'Connection: close\r\n') + 'rubbish\r\n\r\n')
    expect(statusOf(answer)).toBe(200)
  })
})

function place(n: number) {
  return { handle: n.toString(16).padStart(64, '0'), incarnation: INCARNATION, next: 1 }
}

/** As short as can be: 1,025 of them are under 64 KiB only when fields are left out. */
function small(n: number) {
  return { handle: n.toString(16) }
}

function chunk(bytes: number): string {
  return `${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n`
}
