import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeEntry, type IdentityEntry } from '../../src/access/identity-entry.js'
import { foldIdentity } from '../../src/access/identity-fold.js'
import {
  addDevice,
  emptyIdentity,
  type IdentityLog,
  identityBytes,
  mergeIdentity,
  restoreDevice,
  revokeDevice,
} from '../../src/access/identity-log.js'
import { toHex } from '../../src/encoding/bytes.js'
import { sha256Now } from '../../src/encoding/derive.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'
import {
  crypto,
  merged,
  type TestDevice,
  type TestUser,
  TIME,
  testDevice,
  testHousehold,
} from './fixtures.js'

const states = (identity: IdentityLog, ...devices: TestDevice[]) => {
  const { standings } = foldIdentity(identity.entries.values())
  return devices.map(({ id }) => standings.get(id)?.state)
}
const by = (device: TestDevice, identity: IdentityLog) => ({
  crypto,
  identity,
  seed: device.secrets.signingSeed,
  time: TIME,
})
const byRoot = (owner: TestUser, identity: IdentityLog) => ({
  crypto,
  identity,
  seed: owner.root.rootSeed,
  time: TIME,
})

describe('the devices of a user', () => {
  test('are those that the root or an active device has certified', async () => {
    const { identity, devices } = await testHousehold(1, ['laptop', 'desktop', 'phone'])
    expect(states(identity, ...devices)).toEqual(['active', 'active', 'active'])
    const { standings } = foldIdentity(identity.entries.values())
    expect([...standings.values()].map(({ certificate }) => certificate.name).sort()).toEqual([
      'desktop',
      'laptop',
      'phone',
    ])
    expect([...standings.values()].map(({ certificate }) => certificate.peer).sort()).toEqual(
      devices.map(({ peer }) => peer).sort(),
    )
  })

  test('a device that nobody certified certifies nobody', async () => {
    const { owner, identity } = await testHousehold(2, ['laptop'])
    const stranger = await testDevice(owner, 'stranger')
    const friend = await testDevice(owner, 'friend')
    const after = await merged(identity, await addDevice(by(stranger, identity), friend.request))
    expect(states(after, stranger, friend)).toEqual([undefined, undefined])
  })

  test('a device that certifies itself stays a stranger', async () => {
    const { owner, identity } = await testHousehold(2, ['laptop'])
    const stranger = await testDevice(owner, 'stranger')
    const after = await merged(identity, await addDevice(by(stranger, identity), stranger.request))
    expect(states(after, stranger)).toEqual([undefined])
  })

  test('a revoked device is out, and what it certified before stays', async () => {
    const { owner, identity, devices } = await testHousehold(3, ['laptop', 'desktop'])
    const [laptop, desktop] = devices as [TestDevice, TestDevice]
    const phone = await testDevice(owner, 'phone')
    const withPhone = await merged(identity, await addDevice(by(desktop, identity), phone.request))
    const after = await merged(withPhone, await revokeDevice(by(laptop, withPhone), desktop.id))
    expect(states(after, laptop, desktop, phone)).toEqual(['active', 'revoked', 'active'])
  })

  test('what a revoked device signs outside the causal past of its revocation is void, however it is dated', async () => {
    const { owner, identity, devices } = await testHousehold(4, ['laptop', 'desktop'])
    const [laptop, desktop] = devices as [TestDevice, TestDevice]
    const accomplice = await testDevice(owner, 'accomplice')
    const backdated = await addDevice({ ...by(desktop, identity), time: 0 }, accomplice.request)
    const revoked = await merged(identity, await revokeDevice(by(laptop, identity), desktop.id))
    const later = await addDevice(by(desktop, revoked), accomplice.request)
    expect(states(await merged(revoked, backdated, later), desktop, accomplice)).toEqual([
      'revoked',
      undefined,
    ])
  })

  test('a device that leaves by itself is revoked', async () => {
    const { identity, devices } = await testHousehold(5, ['laptop', 'desktop'])
    const [laptop, desktop] = devices as [TestDevice, TestDevice]
    const after = await merged(identity, await revokeDevice(by(desktop, identity), desktop.id))
    expect(states(after, laptop, desktop)).toEqual(['active', 'revoked'])
  })

  test('certifying a revoked device again does not bring it back', async () => {
    const { identity, devices } = await testHousehold(6, ['laptop', 'desktop'])
    const [laptop, desktop] = devices as [TestDevice, TestDevice]
    const revoked = await merged(identity, await revokeDevice(by(laptop, identity), desktop.id))
    const again = await merged(revoked, await addDevice(by(laptop, revoked), desktop.request))
    expect(states(again, desktop)).toEqual(['revoked'])
  })

  test('a revocation by a device that was revoked before it counts nothing', async () => {
    const { identity, devices } = await testHousehold(7, ['laptop', 'desktop', 'phone'])
    const [laptop, desktop, phone] = devices as [TestDevice, TestDevice, TestDevice]
    const revoked = await merged(identity, await revokeDevice(by(laptop, identity), desktop.id))
    const revenge = await revokeDevice(by(desktop, revoked), phone.id)
    const concurrent = await revokeDevice(by(desktop, identity), phone.id)
    expect(states(await merged(revoked, revenge, concurrent), laptop, desktop, phone)).toEqual([
      'active',
      'revoked',
      'active',
    ])
  })
})

describe('two devices that revoke each other', () => {
  async function quarrel() {
    const { owner, identity, devices } = await testHousehold(10, ['laptop', 'desktop', 'phone'])
    const [laptop, desktop, phone] = devices as [TestDevice, TestDevice, TestDevice]
    const one = await revokeDevice(by(laptop, identity), desktop.id)
    const other = await revokeDevice(by(desktop, identity), laptop.id)
    return {
      owner,
      before: identity,
      one,
      other,
      identity: await merged(identity, one, other),
      laptop,
      desktop,
      phone,
    }
  }

  test('are both suspended, whichever revocation came first', async () => {
    const { before, one, other, identity, laptop, desktop, phone } = await quarrel()
    expect(states(identity, laptop, desktop, phone)).toEqual(['suspended', 'suspended', 'active'])
    expect(states(await merged(await merged(before, other), one), laptop, desktop)).toEqual([
      'suspended',
      'suspended',
    ])
  })

  test('what hangs on either is undecided too', async () => {
    const { identity, before, desktop, phone } = await quarrel()
    const after = await merged(identity, await revokeDevice(by(desktop, before), phone.id))
    expect(states(after, phone)).toEqual(['suspended'])
  })

  test('cannot decide it themselves', async () => {
    const { identity, laptop, desktop } = await quarrel()
    const selfish = await restoreDevice(by(laptop, identity), laptop.id)
    expect(states(await merged(identity, selfish), laptop, desktop)).toEqual(['suspended', 'suspended'])
  })

  test('wait for the root, which revokes one and restores the other', async () => {
    const { owner, identity, laptop, desktop, phone } = await quarrel()
    const revoked = await merged(identity, await revokeDevice(byRoot(owner, identity), desktop.id))
    expect(states(revoked, laptop, desktop)).toEqual(['suspended', 'revoked'])
    const decided = await merged(revoked, await restoreDevice(byRoot(owner, revoked), laptop.id))
    expect(states(decided, laptop, desktop, phone)).toEqual(['active', 'revoked', 'active'])
  })

  test('a ring of three is undecided as well', async () => {
    const { identity, devices } = await testHousehold(11, ['laptop', 'desktop', 'phone'])
    const [laptop, desktop, phone] = devices as [TestDevice, TestDevice, TestDevice]
    const after = await merged(
      identity,
      await revokeDevice(by(laptop, identity), desktop.id),
      await revokeDevice(by(desktop, identity), phone.id),
      await revokeDevice(by(phone, identity), laptop.id),
    )
    expect(states(after, laptop, desktop, phone)).toEqual(['suspended', 'suspended', 'suspended'])
  })
})

describe('in every order of delivery', () => {
  const pool = testHousehold('histories', ['a', 'b', 'c']).then(async (household) => {
    const spare: TestDevice[] = []
    for (let i = 0; i < 6; i++) spare.push(await testDevice(household.owner, `spare ${i}`))
    return { ...household, spare }
  })

  /** A history made by devices that each know a part of it: mutual revocations, chains and restorations come up by themselves. */
  async function history(seed: number): Promise<{ user: string; bytes: Uint8Array[] }> {
    const { owner, identity, devices: first, spare } = await pool
    const random = createSeededRandom(`history ${seed}`)
    const devices = [...first]
    const left = [...spare]
    const views = [identity, identity, identity]
    const all = new Map<string, Uint8Array>()
    for (let step = 0; step < 14; step++) {
      const i = random.integer(views.length)
      const view = views[i] as IdentityLog
      const seedOf = random.integer(8) === 0 ? owner.root.rootSeed : random.pick(devices).secrets.signingSeed
      const change = { crypto, identity: view, seed: seedOf, time: step }
      const roll = random.integer(10)
      if (roll < 3) {
        const device = left.shift() ?? random.pick(devices)
        views[i] = await merged(view, await addDevice(change, device.request))
        devices.push(device)
      } else if (roll < 7) views[i] = await merged(view, await revokeDevice(change, random.pick(devices).id))
      else if (roll < 8) views[i] = await merged(view, await restoreDevice(change, random.pick(devices).id))
      else views[i] = await merged(view, ...identityBytes(random.pick(views)))
    }
    for (const view of views) for (const [id, { bytes }] of view.entries) all.set(id, bytes)
    return { user: owner.user, bytes: [...all.values()] }
  }

  const outcome = (entries: Iterable<IdentityEntry>) => {
    const { standings, labels, heads } = foldIdentity(entries)
    const shown = [...standings].map(([id, { state, certificate }]) => [id, state, certificate.name])
    return JSON.stringify([shown.sort(), [...labels].sort(), heads])
  }

  test('the standings are the same: 50 histories, 20 orders each', { timeout: 60_000 }, async () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 50; seed++) {
      const { user, bytes } = await history(seed)
      const entries = [...(await merged(emptyIdentity(user), ...bytes)).entries.values()]
      const expected = outcome(entries)
      for (const label of foldIdentity(entries).labels.values()) seen.add(label)
      const shuffles = fc.shuffledSubarray(entries, { minLength: entries.length, maxLength: entries.length })
      fc.assert(
        fc.property(shuffles, (shuffled) => outcome(shuffled) === expected),
        { numRuns: 20, seed },
      )
    }
    expect([...seen].sort()).toEqual(['undecided', 'valid', 'void'])
  })

  test('entries that come one at a time, any order, any number of times, merge to the same log', {
    timeout: 60_000,
  }, async () => {
    for (let seed = 100; seed < 106; seed++) {
      const { user, bytes } = await history(seed)
      const expected = outcome((await merged(emptyIdentity(user), ...bytes)).entries.values())
      const order = fc.shuffledSubarray([...bytes, ...bytes], { minLength: 2 * bytes.length })
      await fc.assert(
        fc.asyncProperty(order, async (shuffled) => {
          let identity = emptyIdentity(user)
          for (const one of shuffled) identity = (await mergeIdentity(crypto, identity, [one])).identity
          expect(identity.held.size).toBe(0)
          expect(outcome(identity.entries.values())).toBe(expected)
        }),
        { numRuns: 5, seed },
      )
    }
  })
})

test('a log of 400 entries folds in a fraction of a second', { timeout: 60_000 }, async () => {
  const { owner, identity, devices } = await testHousehold(20, ['laptop', 'desktop'])
  const [laptop] = devices as [TestDevice]
  const chain: Uint8Array[] = []
  let prevs = foldIdentity(identity.entries.values()).heads
  for (let i = identity.entries.size; i < 400; i++) {
    const content = { type: 'revokeDevice', device: owner.random.bytes(32) } as const
    const seed = i % 3 === 0 ? owner.root.rootSeed : laptop.secrets.signingSeed
    const entry = await encodeEntry({ crypto, seed, user: owner.user, prevs, time: i, content })
    chain.push(entry)
    prevs = [toHex(sha256Now(entry))]
  }
  const full = await merged(identity, ...chain)
  const begin = performance.now()
  foldIdentity(full.entries.values())
  const took = performance.now() - begin
  console.log(`fold of ${full.entries.size} identity entries: ${took.toFixed(1)} ms`)
  expect(states(full, ...devices)).toEqual(['active', 'active'])
})
