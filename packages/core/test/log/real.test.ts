import { describe, expect, test } from 'vitest'
import { createWorkspace } from '../../src/access/drafts.js'
import { revokeDevice } from '../../src/access/identity-log.js'
import { openWorkspaceAccess } from '../../src/access/workspace-access.js'
import { toUtf8 } from '../../src/encoding/bytes.js'
import { openWorkspaceLog } from '../../src/log/workspace-log.js'
import { createManualClock } from '../../src/testing/manual-clock.js'
import { createMemoryLogStore } from '../../src/testing/memory-log-store.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'
import { crypto, merged, TIME, testHousehold } from '../access/fixtures.js'
import { memoryDb, memorySecrets, TextConsumer } from './fixtures.js'

/** The log with the real access: certified feeds, epochs in commits, devices that are removed. */
async function household(...names: string[]) {
  const { owner, identity, devices } = await testHousehold('log', names)
  const { genesis, epochs } = createWorkspace(owner.random, owner.user)
  const open = async (index: number, store = createMemoryLogStore(), secrets = memorySecrets()) => {
    const db = memoryDb()
    const known = { identity }
    const random = createSeededRandom(`${index} ${store.end}`)
    const device = devices[index] as (typeof devices)[number]
    const access = await openWorkspaceAccess({
      crypto,
      random,
      genesis,
      secrets: device.secrets,
      identity: () => known.identity,
      epochs,
      index: db,
    })
    const consumer = new TextConsumer(db)
    const clock = createManualClock(TIME)
    const log = await openWorkspaceLog({
      store,
      db,
      authority: access,
      consumer,
      secrets,
      clock,
      random,
      crypto,
    })
    const say = (text: string) => log.commit(async () => ({ updates: [{ shard: 0, update: toUtf8(text) }] }))
    return { access, consumer, log, store, secrets, device, known, say }
  }
  return { open, identity, devices }
}

type Device = Awaited<ReturnType<Awaited<ReturnType<typeof household>>['open']>>

async function meet(...devices: Device[]): Promise<void> {
  for (let round = 0; round < 3; round++) {
    for (const from of devices) {
      for (const to of devices) {
        const envelopes: Uint8Array[] = []
        for await (const { envelope } of from.log.missing(to.log.summary())) envelopes.push(envelope)
        await to.log.receive(envelopes)
      }
    }
  }
}

describe('a log under the real access', () => {
  test('founds a workspace, shares it, and both devices write', async () => {
    const { open } = await household('laptop', 'desktop')
    const [laptop, desktop] = [await open(0), await open(1)]
    const operations = await laptop.access.draftGenesis('Photos')
    await laptop.log.commit(async () => ({ updates: [], operations }))
    await laptop.say('from the laptop')
    await meet(laptop, desktop)
    await desktop.say('from the desktop')
    await meet(laptop, desktop)
    expect(desktop.access.name).toBe('Photos')
    expect(Object.values(await laptop.consumer.state()).sort()).toEqual([
      'from the desktop',
      'from the laptop',
    ])
    expect(await desktop.consumer.state()).toEqual(await laptop.consumer.state())
    const again = await open(1, createMemoryLogStore(desktop.store.snapshot()), desktop.secrets)
    expect(await again.consumer.state()).toEqual(await laptop.consumer.state())
    expect(again.log.heads()).toEqual(laptop.log.heads())
    expect((await again.say('after a rebuild'))?.seq).toBe(2)
  })

  test('rotates the epoch when a device is removed; what that device writes then has no effect', async () => {
    const { open, identity } = await household('laptop', 'desktop', 'phone')
    const [laptop, desktop, phone] = [await open(0), await open(1), await open(2)]
    const operations = await laptop.access.draftGenesis('Photos')
    await laptop.log.commit(async () => ({ updates: [], operations }))
    await meet(laptop, desktop, phone)
    await phone.say('honest')
    await meet(laptop, desktop, phone)
    const before = laptop.access.keyring.current().id
    const change = { crypto, identity, seed: laptop.device.secrets.signingSeed, time: TIME }
    laptop.known.identity = await merged(identity, await revokeDevice(change, phone.device.id))
    const rotation = await laptop.access.draftRotation()
    await laptop.log.commit(async () => ({ updates: [], operations: rotation }))
    await phone.say('after removal')
    await meet(laptop, desktop)
    expect(laptop.access.keyring.current().id).not.toBe(before)
    await laptop.say('under the new epoch')
    await meet(laptop, desktop)
    await meet(laptop, phone)
    await meet(laptop, desktop)
    expect(Object.values(await laptop.consumer.state()).sort()).toEqual(['honest', 'under the new epoch'])
    expect(await desktop.consumer.state()).toEqual(await laptop.consumer.state())
    expect(desktop.log.heads()).toEqual(laptop.log.heads())
  })
})
