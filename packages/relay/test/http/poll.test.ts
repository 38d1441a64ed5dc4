import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeService, INCARNATION } from './fake-service.js'
import { type HttpFixture, startFixture } from './harness.js'

const OTHER_INCARNATION = 'bb'.repeat(16)

let http: HttpFixture

beforeEach(async () => {
  http = await startFixture({ requestsPerAddress: 10_000, polls: 500 })
})

afterEach(() => http.close())

const peerOf = (n: number) => `12D3KooW${n.toString().padStart(44, 'A')}`
const ask = (handle: string, next: number, timeoutMs = 50_000) => ({
  mailboxes: [{ handle, incarnation: INCARNATION, next }],
  timeoutMs,
})

async function waiting(count: number): Promise<void> {
  await expect.poll(async () => (await gauge('polls')) === count, { timeout: 20_000 }).toBe(true)
}

async function gauge(name: string): Promise<number> {
  const [value] =
    (await http.metrics.registry.getSingleMetric(`peerfold_relay_http_${name}`)?.get())?.values ?? []
  return value?.value ?? Number.NaN
}

describe('a long poll', () => {
  test('answers at once when the device is behind, before, or in another incarnation', async () => {
    const handle = http.service.addMailbox(7)
    const token = http.service.token([handle])
    const now = { handle, incarnation: INCARNATION, next: 7 }
    for (const place of [
      { ...now, next: 3 },
      { ...now, next: 9 },
      { ...now, incarnation: OTHER_INCARNATION },
    ]) {
      const response = await http.poll(token, { mailboxes: [place], timeoutMs: 50_000 })
      expect([response.status, await response.json()]).toEqual([200, { changed: [now] }])
    }
  })

  test('names only those that differ', async () => {
    const [a, b, c] = [http.service.addMailbox(1), http.service.addMailbox(2), http.service.addMailbox(3)]
    const mailboxes = [a, b, c].map((handle) => ({ handle, incarnation: INCARNATION, next: 2 }))
    const response = await http.poll(http.service.token([a, b, c]), { mailboxes, timeoutMs: 50_000 })
    const { changed } = await response.json()
    expect(changed.map(({ handle }: { handle: string }) => handle)).toEqual([a, c])
  })

  test('says 204 with when to come again, when nothing changed in time', async () => {
    const handle = http.service.addMailbox()
    const response = await http.poll(http.service.token([handle]), ask(handle, 1, 10))
    expect([response.status, await response.text()]).toEqual([204, ''])
    expect(response.headers.get('retry-after')).toMatch(/^[0-2]$/)
  })

  test('tells of a mailbox that is gone as of another incarnation', async () => {
    const handle = http.service.addMailbox()
    http.service.mailboxes.delete(handle)
    const response = await http.poll(http.service.token([handle]), ask(handle, 1))
    expect(await response.json()).toEqual({ changed: [{ handle, incarnation: '0'.repeat(32), next: 1 }] })
  })

  test('403 as soon as one mailbox is not the token’s', async () => {
    const [own, other] = [http.service.addMailbox(), http.service.addMailbox()]
    const mailboxes = [own, other].map((handle) => ({ handle, incarnation: INCARNATION, next: 9 }))
    const response = await http.poll(http.service.token([own]), { mailboxes, timeoutMs: 0 })
    expect(response.status).toBe(403)
    expect(await response.text()).not.toContain('changed')
  })

  test('is given up when the device goes away', async () => {
    const handle = http.service.addMailbox()
    const gone = new AbortController()
    const asked = http.poll(http.service.token([handle]), ask(handle, 1), { signal: gone.signal })
    await waiting(1)
    gone.abort()
    await expect(asked).rejects.toThrow()
    await waiting(0)
  })

  test('a device may have a few, others are not kept from theirs', async () => {
    const handle = http.service.addMailbox()
    const token = http.service.token([handle])
    const polls = Array.from({ length: 4 }, () => http.poll(token, ask(handle, 1)))
    await waiting(4)
    const fifth = await http.poll(token, ask(handle, 1))
    expect([fifth.status, (await fifth.json()).code]).toEqual([429, 'BUSY'])
    const other = http.poll(http.service.token([handle], peerOf(1)), ask(handle, 1))
    await waiting(5)
    http.service.commit(handle)
    for (const response of await Promise.all([...polls, other])) expect(response.status).toBe(200)
  })

  test('more than the relay holds at a time are asked to come again', async () => {
    const small = await startFixture({ polls: 1 })
    try {
      const handle = small.service.addMailbox()
      const first = small.poll(small.service.token([handle]), ask(handle, 1))
      await expect.poll(() => small.service.looks).toBe(1)
      const second = await small.poll(small.service.token([handle], peerOf(1)), ask(handle, 1))
      expect(second.status).toBe(503)
      expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(0)
      small.service.commit(handle)
      expect((await first).status).toBe(200)
    } finally {
      await small.close()
    }
  })

  test('ends with 503 when the relay goes away', async () => {
    const handle = http.service.addMailbox()
    const asked = http.poll(http.service.token([handle]), ask(handle, 1))
    await waiting(1)
    const [response] = await Promise.all([asked, http.close()])
    expect([response.status, (await response.json()).code]).toEqual([503, 'BUSY'])
    expect(http.service.listeners).toBe(0)
  })
})

describe('no change is lost', () => {
  test('that comes between the look and the waiting', async () => {
    const handle = http.service.addMailbox()
    http.service.onLook = () => {
      http.service.onLook = () => {}
      // The look has its answer already, and the waiting has not begun.
      http.service.commit(handle)
    }
    const response = await http.poll(http.service.token([handle]), ask(handle, 1))
    expect((await response.json()).changed).toEqual([{ handle, incarnation: INCARNATION, next: 2 }])
  })

  test('that comes while another mailbox is looked at', async () => {
    const [a, b] = [http.service.addMailbox(), http.service.addMailbox()]
    http.service.onLook = (looked) => {
      if (looked !== b) return
      http.service.onLook = () => {}
      http.service.commit(a)
    }
    const mailboxes = [a, b].map((handle) => ({ handle, incarnation: INCARNATION, next: 1 }))
    const response = await http.poll(http.service.token([a, b]), { mailboxes, timeoutMs: 50_000 })
    expect((await response.json()).changed).toMatchObject([{ handle: a, next: 2 }])
  })

  test('that is told twice, or for nothing, is answered once', async () => {
    const handle = http.service.addMailbox()
    const asked = http.poll(http.service.token([handle]), ask(handle, 1))
    await waiting(1)
    http.service.tell(handle)
    http.service.tell(handle)
    await waiting(1)
    http.service.commit(handle)
    http.service.tell(handle)
    expect((await (await asked).json()).changed).toMatchObject([{ next: 2 }])
  })

  test('of 200 that wait at once, over several changes: each wakes all of them exactly once', async () => {
    const count = 200
    const handle = http.service.addMailbox()
    const tokens = Array.from({ length: count }, (_, i) => http.service.token([handle], peerOf(i)))
    let next = 1
    for (let change = 0; change < 4; change++) {
      const polls = tokens.map((token) => http.poll(token, ask(handle, next)))
      await waiting(count)
      const looks = http.service.looks
      http.service.commit(handle)
      const answers = await Promise.all(polls.map(async (poll) => (await (await poll).json()).changed))
      next++
      expect(answers).toEqual(answers.map(() => [{ handle, incarnation: INCARNATION, next }]))
      expect(http.service.looks - looks).toBe(count)
      await waiting(0)
    }
  })

  test('by 50 devices that poll without end while changes come at any time', async () => {
    const devices = 50
    const changes = 100
    const handle = http.service.addMailbox()
    const follow = async (n: number) => {
      const token = http.service.token([handle], peerOf(n))
      const seen = [1]
      while (seen.at(-1) !== changes + 1) {
        const response = await http.poll(token, ask(handle, seen.at(-1) as number))
        expect(response.status).toBe(200)
        seen.push((await response.json()).changed[0].next)
      }
      return seen
    }
    const followers = Array.from({ length: devices }, (_, n) => follow(n))
    for (let i = 0; i < changes; i++) {
      http.service.commit(handle)
      await new Promise((resolve) => setImmediate(resolve))
    }
    for (const seen of await Promise.all(followers))
      expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b))
  })
})

test('those that wake are woken in slices: others are served in between', async () => {
  const { Pollers } = await import('../../src/http/pollers.js')
  const service = new FakeService()
  const handle = service.addMailbox()
  const pollers = new Pollers(service)
  const place = { handle, incarnation: INCARNATION, next: 1 }
  let woken = 0
  const polls = Array.from({ length: 1000 }, async () => {
    const changed = await pollers.poll([place], new AbortController().signal)
    woken++
    return changed
  })
  await expect.poll(() => service.looks).toBe(1000)
  service.commit(handle)
  const seen: number[] = []
  while (woken < 1000) {
    await new Promise((resolve) => setImmediate(resolve))
    seen.push(woken)
  }
  expect(Math.max(...seen.map((n, i) => n - (seen[i - 1] ?? 0)))).toBeLessThan(200)
  expect((await Promise.all(polls)).every(([only]) => only?.next === 2)).toBe(true)
  expect(pollers.watched).toBe(0)
})
