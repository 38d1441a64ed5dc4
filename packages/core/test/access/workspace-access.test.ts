import { describe, expect, test } from 'vitest'
import { epochOf } from '../../src/access/epochs.js'
import { identityBytes, restoreDevice, revokeDevice } from '../../src/access/identity-log.js'
import { decodeOperations, encodeOperation, type Operation } from '../../src/access/operations.js'
import type { AccessOperation } from '../../src/access/types.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'
import { crypto, merged, TIME, testHousehold } from './fixtures.js'
import { type ModelCommit, ModelDevice, modelWorkspace } from './log-model.js'

const names = ['laptop', 'desktop', 'phone', 'tablet']

async function workspace(seed: number | string, count = 3) {
  const made = await modelWorkspace(await testHousehold(seed, names.slice(0, count)))
  const [laptop, desktop, phone, tablet] = made.models as [ModelDevice, ModelDevice, ModelDevice, ModelDevice]
  return { ...made, laptop, desktop, phone, tablet }
}

/** A device revokes another in the identity log and says so in the workspace. */
async function remove(
  by: ModelDevice,
  target: ModelDevice,
  seed = by.device.secrets.signingSeed,
): Promise<ModelCommit> {
  const change = { crypto, identity: by.identity, seed, time: TIME }
  by.identity = await merged(by.identity, await revokeDevice(change, target.device.id))
  return by.write(await by.access.draftRotation())
}

async function restore(by: ModelDevice, target: ModelDevice, seed: Uint8Array): Promise<ModelCommit> {
  const change = { crypto, identity: by.identity, seed, time: TIME }
  by.identity = await merged(by.identity, await restoreDevice(change, target.device.id))
  return by.write(await by.access.draftRotation())
}

async function syncAll(...models: ModelDevice[]): Promise<void> {
  for (const one of models) for (const other of models) if (one !== other) await one.receiveFrom(other)
}

const verdict = (model: ModelDevice, { id }: ModelCommit) => model.verdicts.get(id)
const operation = <T extends Operation['type']>(commit: ModelCommit, type: T) =>
  decodeOperations(commit.operations).find((one) => one.type === type) as Extract<Operation, { type: T }>

describe('a workspace', () => {
  test('is named in its log, and the latest name wins on every device', async () => {
    const { laptop, desktop } = await workspace(1, 2)
    expect(desktop.access.name).toBe('Photos')
    await laptop.write(laptop.access.draftName('Pictures'))
    await desktop.write(desktop.access.draftName('Bilder'))
    await desktop.write(desktop.access.draftName('Kuvat'))
    await syncAll(laptop, desktop)
    expect([laptop.access.name, desktop.access.name]).toEqual(['Kuvat', 'Kuvat'])
  })

  test('refuses names that nobody could read', async () => {
    const { laptop } = await workspace(1, 1)
    for (const name of ['', 'a\nb', 'x'.repeat(1021), '\ud800']) {
      expect(() => laptop.access.draftName(name)).toThrow(expect.objectContaining({ code: 'NAME_INVALID' }))
    }
  })

  test('mints the tenure of its owner, which commits cite with the access commits they know', async () => {
    const { laptop, desktop } = await workspace(1, 2)
    const [genesis] = [...laptop.commits.values()] as [ModelCommit]
    const { tenure, aclHeads, identityHeads } = desktop.access.cite()
    expect(tenure).toBe(operation(genesis, 'genesis').tenure)
    expect(aclHeads).toEqual([genesis.id])
    expect(identityHeads).toHaveLength(1)
  })

  test('the genesis of another workspace, or by another device than a first commit, is refused', async () => {
    const { laptop } = await workspace(1, 1)
    const { laptop: other } = await workspace(2, 1)
    const [genesis] = [...other.commits.values()] as [ModelCommit]
    expect(verdict(laptop, await laptop.write([...genesis.operations]))).toBe('void')
    const [own] = [...laptop.commits.values()] as [ModelCommit]
    expect(verdict(laptop, await laptop.write([...own.operations]))).toBe('void')
  })

  test('a commit carries updates or operations, never both', async () => {
    const { laptop } = await workspace(1, 1)
    const commit = await laptop.write(laptop.access.draftName('Both'), { updates: ['an update'] })
    expect(verdict(laptop, commit)).toBe('void')
    expect(laptop.access.name).toBe('Photos')
  })

  test('an operation of a later version is told apart from a malformed one', async () => {
    const { laptop } = await workspace(1, 1)
    const judge = (operations: AccessOperation[]) => laptop.write(operations)
    await expect(judge([{ type: 'member', user: new Uint8Array(32) }])).rejects.toMatchObject({
      code: 'PROTOCOL_UNSUPPORTED',
    })
    expect(
      verdict(
        laptop,
        await (await workspace(3, 1)).laptop.write([{ type: 'name' }]).then(async (commit) => {
          await laptop.receive([{ ...commit, causes: [] }])
          return commit
        }),
      ),
    ).toBe('void')
  })

  test('remembers over a restart what its log said, and keeps no secret in the index', async () => {
    const { laptop, desktop, phone } = await workspace(5)
    await remove(laptop, phone)
    await desktop.receiveFrom(laptop)
    const before = { cite: desktop.access.cite(), current: desktop.access.keyring.current() }
    await desktop.open()
    expect({ cite: desktop.access.cite(), current: desktop.access.keyring.current() }).toEqual(before)
    expect(desktop.access.name).toBe('Photos')
    expect(desktop.access.stateOf(phone.device.id)).toBe('revoked')
    const rows = (await desktop.index.values().all())
      .map((value) => Buffer.from(value).toString('hex'))
      .join(' ')
    for (const { read, push } of desktop.access.keyring.all()) {
      expect(rows).not.toContain(Buffer.from(read).toString('hex'))
      expect(rows).not.toContain(Buffer.from(push).toString('hex'))
    }
  })
})

describe('a removed device', () => {
  test('its commits up to the removal stand, its later ones are set aside, however they are dated (case 23)', async () => {
    const { laptop, desktop, phone } = await workspace(10)
    const known = await desktop.write()
    await syncAll(laptop, desktop, phone)
    await remove(laptop, desktop)
    const late = await desktop.write([], { stamp: 1 })
    await phone.receiveFrom(laptop)
    await phone.receiveFrom(desktop)
    expect([verdict(phone, known), verdict(phone, late)]).toEqual(['valid', 'quarantine'])
    expect(phone.access.stateOf(desktop.device.id)).toBe('revoked')
  })

  test('where everyone knew all it wrote, removing it replays nothing', async () => {
    const { laptop, desktop, phone } = await workspace(11)
    await desktop.write()
    await syncAll(laptop, desktop, phone)
    await remove(laptop, desktop)
    await phone.receiveFrom(laptop)
    expect([laptop.replays, phone.replays]).toEqual([0, 0])
  })

  test('a removal that arrives after commits outside its cut were applied gives the same verdicts (case 28)', async () => {
    const { laptop, desktop, phone, observer } = await workspace(12)
    const removal = await remove(laptop, desktop)
    const late = await desktop.write()
    await phone.receiveFrom(desktop)
    expect(verdict(phone, late)).toBe('valid')
    await phone.receiveFrom(laptop)
    const fresh = await observer()
    await fresh.receiveFrom(laptop)
    await fresh.receiveFrom(desktop)
    expect(verdict(phone, late)).toBe('quarantine')
    expect(verdict(phone, removal)).toBe('valid')
    expect(phone.valid()).toEqual(fresh.valid())
  })

  test('honest work that was built on its late commits is not lost, and those commits with it', async () => {
    const { laptop, desktop, phone, observer } = await workspace(13)
    await remove(laptop, desktop)
    const late = await desktop.write()
    await phone.receiveFrom(desktop)
    const onTop = await phone.write()
    const later = await desktop.write()
    await syncAll(laptop, desktop, phone)
    const fresh = await observer()
    await fresh.receiveFrom(laptop)
    for (const model of [laptop, phone, fresh]) {
      expect([verdict(model, late), verdict(model, onTop), verdict(model, later)]).toEqual([
        'valid',
        'valid',
        'quarantine',
      ])
    }
  })

  test('who left by itself keeps what it wrote before it said so', async () => {
    const { laptop, desktop } = await workspace(14)
    const last = await desktop.write()
    const change = {
      crypto,
      identity: desktop.identity,
      seed: desktop.device.secrets.signingSeed,
      time: TIME,
    }
    const entry = await revokeDevice(change, desktop.device.id)
    const entries = [...identityBytes(desktop.identity), entry]
    const leave = await desktop.write([encodeOperation({ type: 'identity', entries })])
    const late = await desktop.write()
    await laptop.receiveFrom(desktop)
    expect([verdict(laptop, last), verdict(laptop, leave), verdict(laptop, late)]).toEqual([
      'valid',
      'valid',
      'quarantine',
    ])
  })

  test('cannot remove others afterwards, nor concurrently', async () => {
    const { laptop, desktop, phone } = await workspace(15)
    await remove(laptop, desktop)
    await remove(desktop, phone)
    await syncAll(laptop, phone, desktop)
    for (const model of [laptop, phone]) {
      expect(model.access.stateOf(desktop.device.id)).toBe('revoked')
      expect(model.access.stateOf(phone.device.id)).toBe('active')
    }
  })
})

describe('two devices that remove each other (case 35)', () => {
  async function quarrel(seed: number) {
    const made = await workspace(seed)
    const { laptop, desktop, phone } = made
    const shared = [await laptop.write(), await desktop.write()]
    await syncAll(laptop, desktop, phone)
    const [one, other] = [await remove(laptop, desktop), await remove(desktop, laptop)]
    const late = [await laptop.write(), await desktop.write()]
    await phone.receiveFrom(laptop)
    await phone.receiveFrom(desktop)
    return { ...made, shared, one, other, late }
  }

  test('are suspended for everyone: what both knew stands, what each wrote since is set aside', async () => {
    const { laptop, desktop, phone, shared, late, observer } = await quarrel(20)
    await laptop.receiveFrom(desktop)
    await desktop.receiveFrom(laptop)
    const fresh = await observer()
    await fresh.receiveFrom(desktop)
    for (const model of [laptop, desktop, phone, fresh]) {
      expect(model.access.stateOf(laptop.device.id)).toBe('suspended')
      expect(model.access.stateOf(desktop.device.id)).toBe('suspended')
      expect(shared.map((commit) => verdict(model, commit))).toEqual(['valid', 'valid'])
      expect(late.map((commit) => verdict(model, commit))).toEqual(['quarantine', 'quarantine'])
    }
  })

  test('stay so over a restart', async () => {
    const { laptop, phone } = await quarrel(21)
    await phone.open()
    expect(phone.access.stateOf(laptop.device.id)).toBe('suspended')
  })

  test('a third device goes on, under keys that neither has', async () => {
    const { laptop, desktop, phone } = await quarrel(22)
    phone.identity = await merged(
      phone.identity,
      ...[...laptop.identity.entries.values(), ...desktop.identity.entries.values()].map(
        ({ bytes }) => bytes,
      ),
    )
    const rotation = await phone.write(await phone.access.draftRotation())
    const boxes = operation(rotation, 'epoch').boxes.map(({ device }) => device)
    expect(boxes).toEqual([phone.device.id])
    expect(verdict(phone, await phone.write())).toBe('valid')
  })

  test('until the root decides', async () => {
    const { owner, laptop, desktop, phone, late } = await quarrel(23)
    phone.identity = await merged(
      phone.identity,
      ...[...laptop.identity.entries.values(), ...desktop.identity.entries.values()].map(
        ({ bytes }) => bytes,
      ),
    )
    await remove(phone, desktop, owner.root.rootSeed)
    await restore(phone, laptop, owner.root.rootSeed)
    await laptop.receiveFrom(phone)
    await laptop.receiveFrom(desktop)
    await phone.receiveFrom(laptop)
    for (const model of [laptop, phone]) {
      expect(model.access.stateOf(laptop.device.id)).toBe('active')
      expect(model.access.stateOf(desktop.device.id)).toBe('revoked')
      expect(late.map((commit) => verdict(model, commit))).toEqual(['valid', 'quarantine'])
    }
  })
})

describe('keys of a workspace', () => {
  test('change with a removal: the new ones reach every active device and not the removed one (case 32)', async () => {
    const { laptop, desktop, phone } = await workspace(30)
    const before = laptop.access.keyring.current()
    const removal = await remove(laptop, desktop)
    await syncAll(laptop, desktop, phone)
    const { id } = laptop.access.keyring.current()
    expect(id).not.toBe(before.id)
    expect(removal.epoch).toBe(before.id)
    expect(phone.access.keyring.current().id).toBe(id)
    expect(desktop.access.keyring.get(id)).toBeUndefined()
    expect(desktop.access.missingEpochs()).toEqual([id])
  })

  test('a commit that knew of a removal under keys that the removed device has is void for all (case 30)', async () => {
    const { laptop, desktop, phone } = await workspace(31)
    const { id: old } = laptop.access.keyring.current()
    await remove(laptop, desktop)
    await phone.receiveFrom(laptop)
    const leak = await phone.write([], { epoch: old })
    const onTop = await phone.write()
    await laptop.receiveFrom(phone)
    expect([verdict(laptop, leak), verdict(laptop, onTop)]).toEqual(['quarantine', 'quarantine'])
    const honest = await laptop.write()
    await phone.receiveFrom(laptop)
    expect(verdict(phone, honest)).toBe('valid')
  })

  test('concurrent rotations combine, so that both removals hold (case 34)', async () => {
    const { laptop, desktop, phone, tablet } = await workspace(32, 4)
    await remove(laptop, desktop)
    await remove(phone, tablet)
    await syncAll(laptop, phone)
    const current = laptop.access.keyring.current()
    expect(phone.access.keyring.current()).toEqual(current)
    await desktop.receiveFrom(laptop)
    await tablet.receiveFrom(laptop)
    expect(desktop.access.keyring.get(current.id)).toBeUndefined()
    expect(tablet.access.keyring.get(current.id)).toBeUndefined()
    const commit = await laptop.write()
    await phone.receiveFrom(laptop)
    expect(verdict(phone, commit)).toBe('valid')
    expect(await laptop.access.draftRotation()).toBeUndefined()
  })

  test('who knew only some of three concurrent rotations is understood by who knows all', async () => {
    const { laptop, desktop, phone, tablet } = await workspace(33, 4)
    await remove(laptop, tablet)
    await remove(desktop, tablet)
    await remove(phone, tablet)
    await laptop.receiveFrom(desktop)
    const pair = laptop.access.keyring.current()
    await syncAll(laptop, desktop, phone)
    expect(phone.access.keyring.get(pair.id)).toEqual(pair)
    expect(phone.access.keyring.current().id).not.toBe(pair.id)
  })

  test('a rotation whose box for a device holds something else gives that device no key, and says so', async () => {
    const { laptop, desktop, phone } = await workspace(34)
    const change = { crypto, identity: laptop.identity, seed: laptop.device.secrets.signingSeed, time: TIME }
    laptop.identity = await merged(laptop.identity, await revokeDevice(change, desktop.device.id))
    const [identity, epoch] = (await laptop.access.draftRotation()) as [AccessOperation, AccessOperation]
    const boxes = (epoch.boxes as Array<{ device: Uint8Array; box: Uint8Array }>).map((one) => ({
      ...one,
      box: one.box.map((byte, i) => (i === 60 ? byte ^ 1 : byte)),
    }))
    await laptop.write([identity, { ...epoch, boxes }])
    await phone.receiveFrom(laptop)
    expect(phone.access.missingEpochs()).toHaveLength(1)
    expect(() => phone.access.keyring.current()).toThrow(expect.objectContaining({ code: 'KEY_MISSING' }))
  })

  test('a device that learns a key from a grant says which, and reads the epochs before it', async () => {
    const { laptop, desktop, phone } = await workspace(35)
    await remove(laptop, desktop)
    const { epochs } = laptop.access.grant()
    const newest = epochs.find(({ previous }) => previous.length > 0)
    const joined = await new ModelDevice(
      phone.device,
      phone.genesis,
      [],
      laptop.identity,
      createSeededRandom('joined'),
    ).open()
    const heard: string[] = []
    joined.access.onKey((id) => heard.push(id))
    await joined.access.learn(newest === undefined ? [] : [newest])
    expect(heard).toEqual([newest?.id])
    await joined.receiveFrom(laptop)
    expect(joined.access.keyring.all()).toHaveLength(2)
    expect(joined.access.keyring.current().id).toBe(newest?.id)
  })

  test('a grant cannot push aside what commits say is current', async () => {
    const { laptop, desktop, phone } = await workspace(36)
    await remove(laptop, desktop)
    const { workspace: id, keyring } = laptop.access
    const bogus = { ...epochOf(id, new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)), previous: [] }
    const current = keyring.current().id
    await laptop.access.learn([bogus])
    expect(laptop.access.keyring.current().id).toBe(current)
    await expect(phone.access.learn([{ ...bogus, id: current }])).rejects.toMatchObject({
      code: 'CERTIFICATE_INVALID',
    })
  })
})

describe('verdicts are the same on every replica', () => {
  /** Devices that meet now and then, remove each other, go on writing though removed, and now and then ask the root. */
  async function history(seed: number) {
    const made = await modelWorkspace(await household)
    const random = createSeededRandom(`access ${seed}`)
    const { models, owner } = made
    for (let step = 0; step < 24; step++) {
      const one = random.pick(models)
      const roll = random.integer(20)
      if (roll < 7) await one.write().catch(ignoreMissingKey)
      else if (roll < 13) {
        const other = random.pick(models)
        const identity = [...other.identity.entries.values()].map(({ bytes }) => bytes)
        one.identity = await merged(one.identity, ...identity)
        await one.receiveFrom(other)
      } else {
        const target = random.pick(models)
        const byRoot = random.integer(4) === 0
        const seedOf = byRoot ? owner.root.rootSeed : one.device.secrets.signingSeed
        const verb = byRoot && random.integer(2) === 0 ? restore : remove
        await verb(one, target, seedOf).catch(ignoreMissingKey)
      }
    }
    return made
  }

  const household = testHousehold('histories', names)

  function ignoreMissingKey(error: { code?: string }): void {
    // Removed devices can neither rotate nor, once keys changed, write: that is as it should be.
    if (error.code !== 'DEVICE_REVOKED' && error.code !== 'KEY_MISSING') throw error
  }

  function shuffledCausally(commits: readonly ModelCommit[], seed: string): ModelCommit[] {
    const random = createSeededRandom(seed)
    const left = new Set(commits)
    const placed = new Set<string>()
    const order: ModelCommit[] = []
    while (left.size > 0) {
      const ready = [...left].filter(({ causes }) => causes.every((cause) => placed.has(cause)))
      const next = random.pick(ready)
      left.delete(next)
      placed.add(next.id)
      order.push(next)
    }
    return order
  }

  test('12 histories of removals and partitions, each in 5 orders, some with restarts', {
    timeout: 120_000,
  }, async () => {
    const seen = { valid: 0, quarantine: 0, suspended: 0 }
    for (let seed = 0; seed < 12; seed++) {
      const { models, observer } = await history(seed)
      const all = new Map(models.flatMap((model) => [...model.commits]))
      let expected: string | undefined
      for (let order = 0; order < 5; order++) {
        const replica = await observer()
        const commits = shuffledCausally([...all.values()], `order ${seed}/${order}`)
        const size = order === 0 ? commits.length : 1 + order * 2
        for (let i = 0; i < commits.length; i += size) {
          await replica.receive(commits.slice(i, i + size))
          if (order === 3) await replica.open()
        }
        const states = models.map(({ device }) => replica.access.stateOf(device.id))
        const outcome = JSON.stringify([[...replica.verdicts].sort(), states, replica.access.name])
        expected ??= outcome
        expect(outcome, `seed ${seed}, order ${order}`).toBe(expected)
        for (const value of replica.verdicts.values()) seen[value as 'valid' | 'quarantine']++
        if (states.includes('suspended')) seen.suspended++
      }
    }
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(0)
  })
})
