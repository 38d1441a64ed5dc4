import { PeerfoldError } from '@peerfold/core'
import { describe, expect, test } from 'vitest'
import { createLogger } from '../src/logger.js'

const HANDLE = 'ab12cd34'.repeat(8)
const TOKEN = 'x9_Zk-Q3vTq8Yc1LwGm7Rr0Nn5Hh2Jj4Aa6Bb'
const PEER = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
const WORDS = 'canary canary zebra abandon'

function logged(write: (log: ReturnType<typeof createLogger>) => void, level?: string) {
  const lines: string[] = []
  write(createLogger({ level, destination: { write: (line) => void lines.push(line) } }))
  return { text: lines.join(''), lines: lines.map((line) => JSON.parse(line)) }
}

describe('the log', () => {
  test('is one JSON object a line, with level, time and message', () => {
    const { lines } = logged((log) => log.info({ peer: PEER, sessions: 3 }, 'a session began'))
    expect(lines).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        peer: PEER,
        sessions: 3,
        message: 'a session began',
      },
    ])
  })

  test('shortens handles, and still tells them apart', () => {
    const { lines } = logged((log) => log.warn({ handle: HANDLE }, `mailbox ${HANDLE} is damaged`))
    expect(lines[0]).toMatchObject({ handle: 'ab12cd34…', message: 'mailbox ab12cd34… is damaged' })
  })

  test('keeps what is long but no secret', () => {
    const { lines } = logged((log) =>
      log.info(
        { directory: '/var/lib/peerfold-relay/index.damaged-1764300000000' },
        `listening on /ip4/127.0.0.1/tcp/4460/p2p/${PEER}`,
      ),
    )
    expect(lines[0].message).toContain(PEER)
    expect(lines[0].directory).toBe('/var/lib/peerfold-relay/index.damaged-1764300000000')
  })

  test('says less below its level, and nothing when silent', () => {
    expect(logged((log) => log.info({}, 'hello'), 'warn').text).toBe('')
    expect(logged((log) => log.error({}, 'hello'), 'silent').text).toBe('')
  })

  test.each([
    ['an unknown field', (log: any) => log.info({ phrase: WORDS, note: WORDS }, 'x')],
    ['a token in a known field', (log: any) => log.info({ reason: `Bearer ${TOKEN}` }, 'x')],
    ['a token in a message', (log: any) => log.info({}, `refused ${TOKEN}`)],
    ['a message alone', (log: any) => log.info(`refused ${TOKEN}`)],
    ['an argument of a message', (log: any) => log.info({}, 'refused %s', TOKEN)],
    ['an error', (log: any) => log.error({ err: new Error(`bad ${TOKEN} ${HANDLE}`) }, 'x')],
    ['an error alone', (log: any) => log.error(new Error(`bad ${TOKEN}`))],
    ['a cause and details of an error', (log: any) => log.error({ error: nestedError() }, 'x')],
    ['a request whole', (log: any) => log.info({ req: { headers: { authorization: TOKEN } } }, 'x')],
    ['bytes', (log: any) => log.info({ bytes: Buffer.from(WORDS) }, 'x')],
    ['an object in a known field', (log: any) => log.info({ error: { token: TOKEN, words: WORDS } }, 'x')],
    ['a list in a known field', (log: any) => log.info({ urls: [TOKEN, { token: TOKEN }] }, 'x')],
  ])('takes no secret in as %s', (_, write) => {
    const { text, lines } = logged(write)
    expect(lines).toHaveLength(1)
    for (const canary of [TOKEN, HANDLE, WORDS, 'zebra', Buffer.from(WORDS).toString('hex')])
      expect(text).not.toContain(canary)
  })
})

function nestedError(): Error {
  return new PeerfoldError('UNAUTHORIZED', 'no', {
    cause: new Error(`token ${TOKEN}`),
    details: { token: TOKEN, words: WORDS },
  })
}
