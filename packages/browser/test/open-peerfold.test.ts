import { openPeerfold } from '@peerfold/browser'
import { expect, test } from 'vitest'
import { PROTOCOL_VERSION } from '../src/tabs/greeting.js'

const freshHome = () => `test-${crypto.randomUUID()}`
const text = (length: number) => 'abcdefghij'.repeat(length / 10)

test('a device in this origin keeps what was written when it is opened again', async () => {
  const home = freshHome()
  const first = await openPeerfold({ home, name: 'browser' })
  expect(first.hasIdentity).toBe(false)
  const { phrase } = await first.identity.create()
  expect(phrase.split(' ')).toHaveLength(24)
  const notes = await first.workspaces.create('notes')
  await notes.write('a/small.txt', 'hello')
  await notes.write('a/large.bin', new Blob([text(3_000_000)]))
  await first.close()

  const again = await openPeerfold({ home, name: 'browser' })
  expect(again.device.name).toBe('browser')
  const same = await again.workspaces.open('notes')
  expect(await same.read('a/small.txt').text()).toBe('hello')
  expect(await same.read('a/large.bin').text()).toBe(text(3_000_000))
  expect(await same.read('a/large.bin', { offset: 1_000_001, length: 9 }).text()).toBe('bcdefghij')
  expect(again.status.value.workspaces[0]).toMatchObject({ files: 2, copies: { min: 0 } })
  await again.close()
})

test('two tabs share one device, and the second goes on when the first is closed', async () => {
  const home = freshHome()
  const first = await openPeerfold({ home, name: 'browser' })
  await first.identity.create()
  await (await first.workspaces.create('notes')).write('a.txt', 'from the first')
  const second = await openPeerfold({ home, name: 'browser' })
  const notes = await second.workspaces.open('notes')
  expect(await notes.read('a.txt').text()).toBe('from the first')
  await first.close()
  expect(await notes.read('a.txt').text()).toBe('from the first')
  await expect
    .poll(() =>
      notes.write('b.txt', 'from the second').then(
        () => 'written',
        (error: Error) => error.message,
      ),
    )
    .toBe('written')
  await second.close()
})

test('a name that is none for a home is refused', async () => {
  await expect(openPeerfold({ home: '../other', name: 'browser' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  })
})

test('the page passes ports of its service worker on to the device, also before that is open', async () => {
  const home = freshHome()
  const offer = () => {
    const { port1, port2 } = new MessageChannel()
    const data = { type: 'peerfold:port', home, client: crypto.randomUUID(), version: PROTOCOL_VERSION }
    // As it comes from a service worker.
    navigator.serviceWorker.dispatchEvent(new MessageEvent('message', { data, ports: [port2] }))
    return new Promise((resolve) => {
      port1.onmessage = ({ data }) => resolve(data)
    })
  }
  const opening = openPeerfold({ home, name: 'browser' })
  // Those that come before there is a worker at all are lost.
  const early: Array<Promise<unknown>> = []
  const offering = setInterval(() => void early.push(offer()), 20)
  const device = await opening
  clearInterval(offering)
  expect(await offer()).toMatchObject({ type: 'welcome' })
  expect(await Promise.any(early)).toMatchObject({ type: 'welcome' })
  await device.close()
})
