import { describe, expect, test } from 'vitest'
import { loadConfig } from '../src/config/load-config.js'
import { startHttp } from '../src/http/start-http.js'
import { createLogger } from '../src/logger.js'
import { createMetrics } from '../src/metrics.js'
import type { HttpSide, RelayService } from '../src/service.js'
import { relayFixture, type TestRelay } from './fixture.js'
import { eventually, pairedDevices, textOf, within } from './paired-devices.js'

const fixture = relayFixture()
const log = createLogger({ level: 'error', destination: { write: () => {} } })

async function startHttpSide(service: RelayService): Promise<HttpSide> {
  const { http } = await loadConfig({})
  const config = { ...http, listen: '127.0.0.1:0' }
  return await startHttp({ service, config, metrics: createMetrics(), log })
}
const devices = (at: TestRelay, names: readonly string[], options?: { poll?: boolean }) =>
  pairedDevices(fixture, at.relay.addresses()[0] as string, names, options)

describe('devices and a relay', () => {
  test('that are never on together have the same, byte for byte', async () => {
    const at = await fixture.start({ open: true })
    const { device, open } = await devices(at, ['laptop', 'desktop'])
    const files = await device('laptop').workspaces.create('files')
    await device('laptop').settled(within())
    await device('desktop').close()
    const bytes = crypto.getRandomValues(new Uint8Array(60_000))
    const big = new Uint8Array(3_000_000).map((_, i) => bytes[i % bytes.length] as number)
    await files.write('big.bin', big)
    await files.durable({ copies: 2, ...within() })
    await device('laptop').close()
    const back = await open('desktop')
    const same = await back.workspaces.open(files.id)
    await eventually('the file is there', async () => {
      const read = await same
        .read('big.bin')
        .bytes()
        .catch(() => undefined)
      return read !== undefined && Buffer.compare(read, big) === 0
    })
  }, 120_000)

  test('a lost device is recovered from the phrase and the relay; with another phrase there is nothing', async () => {
    const at = await fixture.start({ open: true })
    const { device, open, phrase, address } = await devices(at, ['laptop'])
    const notes = await device('laptop').workspaces.create('notes')
    await notes.write('a.txt', 'kept')
    await notes.durable({ copies: 2, ...within() })
    await device('laptop').close()
    const other = await open('other')
    const wrong = `${'abandon '.repeat(23)}art`
    await expect(other.identity.recover(wrong, { relays: [address] })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    await other.identity.recover(phrase, { relays: [address] })
    await eventually('the file is there', async () => (await textOf(other, notes.id, 'a.txt')) === 'kept')
  }, 120_000)

  test('that poll hold no session while nothing happens, and hear of every change', async () => {
    const at = await fixture.start({ open: true, http: startHttpSide })
    const { device, open } = await devices(at, ['laptop', 'desktop'], { poll: true })
    const notes = await device('laptop').workspaces.create('notes')
    await notes.write('a.txt', 'one')
    const atRest = async () => (await at.relay.status()).sessions === 0
    await eventually('nobody holds a session', atRest)
    await device('desktop').close()
    await notes.write('a.txt', 'two')
    await notes.durable({ copies: 2, ...within() })
    await eventually('the laptop rests', atRest)
    const back = await open('desktop')
    await eventually('the change arrives', async () => (await textOf(back, notes.id, 'a.txt')) === 'two')
    await notes.write('b.txt', 'three')
    await eventually('so does the next', async () => (await textOf(back, notes.id, 'b.txt')) === 'three')
    await eventually('both rest', atRest)
  }, 120_000)

  test('a relay that does not allow a device says so, with what to do there', async () => {
    const at = await fixture.start({ open: false })
    const { device } = await devices(at, ['laptop'])
    await device('laptop').workspaces.create('notes')
    const error = () => device('laptop').relays.list()[0]?.error
    await eventually('it is refused', () => error()?.code === 'RELAY_REFUSED')
    expect(error()?.hint).toContain('peerfold-relay allow')
  }, 60_000)

  test('a device that was removed gets no new commit and no block', async () => {
    const at = await fixture.start({ open: true })
    const { device, open } = await devices(at, ['laptop', 'stolen'])
    const notes = await device('laptop').workspaces.create('notes')
    await notes.write('a.txt', 'before')
    await device('laptop').settled(within())
    const { id } = device('stolen').device
    await device('stolen').close()
    await device('laptop').devices.revoke(id)
    await notes.write('a.txt', 'after')
    await notes.durable({ copies: 2, ...within() })
    await device('laptop').close()
    const thief = await open('stolen')
    await eventually('it is refused', () => thief.relays.list()[0]?.error !== undefined)
    expect(await textOf(thief, notes.id, 'a.txt')).toBe('before')
  }, 120_000)
})
