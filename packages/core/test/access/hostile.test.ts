import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checkDeviceRequest,
  createDeviceRequest,
  decodeDeviceRequest,
} from '../../src/access/device-request.js'
import { createWorkspace } from '../../src/access/drafts.js'
import { draftEpoch, openEpochBox, openPrevious, openRecoveryBox } from '../../src/access/epoch-record.js'
import { createEpoch, epochKey, epochOf } from '../../src/access/epochs.js'
import { createFeedCertificate, decodeFeedCertificate } from '../../src/access/feed-certificate.js'
import { decodeGenesis } from '../../src/access/genesis.js'
import { type Grant, openGrant, sealGrant } from '../../src/access/grant.js'
import { decodeEntry, encodeEntry } from '../../src/access/identity-entry.js'
import { foldIdentity } from '../../src/access/identity-fold.js'
import { emptyIdentity, identityBytes, mergeIdentity, revokeDevice } from '../../src/access/identity-log.js'
import { decodeOperations, encodeOperation } from '../../src/access/operations.js'
import { recoveryKey } from '../../src/access/phrase.js'
import { openRecovery, sealRecovery } from '../../src/access/recovery-bundle.js'
import { decodeCbor, encodeCbor } from '../../src/encoding/cbor.js'
import { isPeerfoldError } from '../../src/errors.js'
import { crypto, merged, type TestDevice, TIME, testDevice, testHousehold, testUser } from './fixtures.js'

const { owner, identity, devices } = await testHousehold('hostile', ['laptop', 'desktop'])
const [laptop, desktop] = devices as [TestDevice, TestDevice]
const { random, user, root } = owner
const standings = foldIdentity(identity.entries.values()).standings
const certificateOf = (device: TestDevice) => {
  const certificate = standings.get(device.id)?.certificate
  return certificate ?? expect.unreachable('not certified')
}
const { genesis, epochs } = createWorkspace(random, user)
const grant: Grant = { genesis, name: 'Photos', epochs }
const sealed = await sealGrant({ crypto, random, secrets: laptop.secrets, to: certificateOf(desktop) }, grant)
const open = (bytes: Uint8Array) =>
  openGrant({ crypto, secrets: desktop.secrets, from: certificateOf(laptop) }, bytes)
const bundle = { identity, grants: [grant], relays: ['/dns4/relay.example/tcp/443/wss'], time: TIME }
const recovery = await sealRecovery({ crypto, random, secrets: laptop.secrets }, bundle)
const feedKey = crypto.publicKey(random.bytes(32))
const proof = await createFeedCertificate({
  crypto,
  identity,
  signingSeed: laptop.secrets.signingSeed,
  workspace: genesis.id,
  feedKey,
})
const entry = identityBytes(identity)[1] as Uint8Array
const { operation } = await draftEpoch({
  crypto,
  random,
  workspace: genesis.id,
  devices: [{ device: laptop.id, boxKey: laptop.boxKey }],
  recovery: [{ user, key: recoveryKey(root) }],
  previous: epochs,
})

describe('whatever bytes come in, decoders throw a PeerfoldError or nothing', () => {
  const operations = (bytes: Uint8Array) => decodeOperations([decodeCbor(bytes) as never])
  const decoders: Array<[name: string, good: Uint8Array, decode: (bytes: Uint8Array) => unknown]> = [
    ['identity entry', entry, (bytes) => decodeEntry(bytes, user)],
    ['device request', laptop.request, (bytes) => decodeDeviceRequest(bytes, user)],
    ['feed certificate', proof, decodeFeedCertificate],
    ['workspace genesis', genesis.bytes, decodeGenesis],
    ['grant', sealed, open],
    ['recovery bundle', recovery, (bytes) => openRecovery(crypto, root, bytes)],
    ['epoch operation', encodeCbor(encodeOperation(operation)), operations],
  ]

  async function outcome(
    decode: (bytes: Uint8Array) => unknown,
    bytes: Uint8Array,
  ): Promise<'accepted' | 'refused'> {
    try {
      await decode(bytes)
      return 'accepted'
    } catch (error) {
      if (!isPeerfoldError(error)) throw error
      return 'refused'
    }
  }

  test.each(decoders)('%s: cut at every byte it is refused', async (_, good, decode) => {
    expect(await outcome(decode, good)).toBe('accepted')
    const step = good.length > 600 ? 7 : 1
    for (let length = 0; length < good.length; length += step) {
      expect(await outcome(decode, good.subarray(0, length)), `cut at ${length}`).toBe('refused')
    }
  })

  test.each(decoders)('%s: with bits changed, lengthened, or random', async (_, good, decode) => {
    for (let bit = 0; bit < good.length * 8; bit += Math.ceil(good.length / 30)) {
      const bent = good.slice()
      bent[bit >>> 3] = (bent[bit >>> 3] as number) ^ (1 << (bit & 7))
      await outcome(decode, bent)
    }
    expect(await outcome(decode, new Uint8Array([...good, 0]))).toBe('refused')
    const bytes = fc.uint8Array({ maxLength: 200 })
    await fc.assert(
      fc.asyncProperty(bytes, async (junk) => (await outcome(decode, junk)) === 'refused'),
      { seed: 7, numRuns: 60 },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.jsonValue(),
        async (value) => (await outcome(decode, encodeCbor(value))) === 'refused',
      ),
      { seed: 7, numRuns: 60 },
    )
  })
})

describe('an identity log', () => {
  const refusal = async (bytes: Uint8Array) =>
    (await mergeIdentity(crypto, identity, [bytes])).refused[0]?.error.code

  test("refuses entries with any signature broken: the signer's, the new device's, its peer key's", async () => {
    const device = await testDevice(owner, 'new')
    const { request } = device
    const fields = decodeCbor(request) as Record<string, Uint8Array>
    for (const field of ['signature', 'peerSignature']) {
      const bent = encodeCbor({
        ...fields,
        [field]: (fields[field] as Uint8Array).map((byte, i) => (i === 3 ? byte ^ 1 : byte)),
      })
      const content = { type: 'addDevice', request: bent } as const
      const prevs = [...foldIdentity(identity.entries.values()).heads]
      const seed = laptop.secrets.signingSeed
      expect(await refusal(await encodeEntry({ crypto, seed, user, prevs, time: TIME, content }))).toBe(
        'CERTIFICATE_INVALID',
      )
    }
    const good = await revokeDevice(
      { crypto, identity, seed: laptop.secrets.signingSeed, time: TIME },
      desktop.id,
    )
    const { body, signature } = decodeCbor(good) as Record<string, Uint8Array>
    const other = (signature as Uint8Array).map((byte, i) => (i === 40 ? byte ^ 1 : byte))
    expect(await refusal(encodeCbor({ body, signature: other }))).toBe('CERTIFICATE_INVALID')
    expect(await refusal(good)).toBeUndefined()
  })

  test('refuses types and versions it does not know, as later ones', async () => {
    const init = { crypto, seed: root.rootSeed, user, prevs: [user], time: TIME }
    const rotate = await encodeEntry({
      ...init,
      content: { type: 'rotateRoot', root: new Uint8Array(32) } as never,
    })
    expect(await refusal(rotate)).toBe('PROTOCOL_UNSUPPORTED')
  })

  test('takes nothing of another user', async () => {
    const other = await testUser('other')
    expect(await refusal(other.genesis)).toBe('CERTIFICATE_INVALID')
    expect((await mergeIdentity(crypto, emptyIdentity(other.user), [entry])).refused).toHaveLength(1)
  })

  test('bad entries among good ones harm nothing', async () => {
    const bytes = [new Uint8Array(5), ...identityBytes(identity).reverse(), new Uint8Array(3000)]
    const { identity: taken, refused } = await mergeIdentity(crypto, emptyIdentity(user), bytes)
    expect([...taken.entries.keys()].sort()).toEqual([...identity.entries.keys()].sort())
    expect(refused.map(({ index }) => index)).toEqual([0, bytes.length - 1])
  })

  test('holds entries whose causes are missing, and no more than a bounded number', async () => {
    const content = { type: 'revokeDevice', device: new Uint8Array(32) } as const
    const orphans: Uint8Array[] = []
    for (let i = 0; i < 140; i++) {
      const prevs = [i.toString(16).padStart(64, '0')]
      orphans.push(await encodeEntry({ crypto, seed: root.rootSeed, user, prevs, time: TIME, content }))
    }
    const { identity: after, refused } = await mergeIdentity(crypto, identity, orphans)
    expect(after.entries.size).toBe(identity.entries.size)
    expect(after.held.size).toBe(128)
    expect(refused).toHaveLength(12)
    expect(refused[0]?.error.code).toBe('BUSY')
  })

  test('a device that fills it cannot keep the root from removing that device', {
    timeout: 60_000,
  }, async () => {
    const junk: Uint8Array[] = []
    const prevs = foldIdentity(identity.entries.values()).heads
    for (let i = 0; i < 500; i++) {
      const content = { type: 'revokeDevice', device: random.bytes(32) } as const
      junk.push(
        await encodeEntry({ crypto, seed: desktop.secrets.signingSeed, user, prevs, time: i, content }),
      )
    }
    const { identity: full } = await mergeIdentity(crypto, identity, junk)
    expect(full.entries.size).toBe(448)
    const decided = await merged(
      full,
      await revokeDevice({ crypto, identity: full, seed: root.rootSeed, time: TIME }, desktop.id),
    )
    expect(foldIdentity(decided.entries.values()).standings.get(desktop.id)?.state).toBe('revoked')
  })

  test('gives the same user again from the same phrase', async () => {
    expect((await testUser('hostile')).user).toBe(user)
    expect((await testUser('hostile')).genesis).toEqual(owner.genesis)
  })
})

describe('a device request', () => {
  test('counts only from the peer it names, for the user it names (case 46)', async () => {
    const { request } = await checkDeviceRequest(crypto, laptop.request, { user, peer: laptop.peer }).then(
      (found) => ({ request: found }),
    )
    expect(request.certificate.device).toBe(laptop.id)
    const refused = { code: 'CERTIFICATE_INVALID' }
    await expect(
      checkDeviceRequest(crypto, laptop.request, { user, peer: desktop.peer }),
    ).rejects.toMatchObject(refused)
    await expect(
      checkDeviceRequest(crypto, laptop.request, { user: '00'.repeat(32), peer: laptop.peer }),
    ).rejects.toMatchObject(refused)
  })

  test('with another box key put in fails', async () => {
    const fields = decodeCbor(laptop.request) as Record<string, Uint8Array>
    const certificate = decodeCbor(fields.certificate as Uint8Array) as object
    const swapped = encodeCbor({
      ...fields,
      certificate: encodeCbor({ ...certificate, boxKey: desktop.boxKey }),
    })
    await expect(checkDeviceRequest(crypto, swapped, { user, peer: laptop.peer })).rejects.toMatchObject({
      code: 'CERTIFICATE_INVALID',
    })
  })

  test('has a name that steers no terminal', async () => {
    const init = { crypto, secrets: laptop.secrets, user, time: TIME }
    const nameOf = async (name: string) =>
      decodeDeviceRequest(await createDeviceRequest({ ...init, name }), user).certificate.name
    expect(await nameOf('\u001b[2Jlap\u202etop\n')).toBe('[2Jlaptop')
    expect(await nameOf('')).toBe('device')
    expect(Buffer.byteLength(await nameOf('ä'.repeat(500)))).toBe(128)
  })
})

describe('an epoch', () => {
  const [first] = epochs

  test('opens for the devices and users it was boxed for, and leads to the one before', async () => {
    const epoch = openEpochBox(genesis.id, operation, laptop.id, laptop.secrets.boxSecret)
    expect(epoch?.id).toBe(operation.id)
    expect(openRecoveryBox(genesis.id, operation, user, root.recoverySecret)).toEqual(epoch)
    expect(openEpochBox(genesis.id, operation, desktop.id, desktop.secrets.boxSecret)).toBeUndefined()
    if (epoch === undefined || first === undefined) return expect.unreachable()
    expect((await openPrevious(crypto, genesis.id, operation, epoch)).map(({ id }) => id)).toEqual([first.id])
  })

  test('counts only with the secrets that its id commits to', async () => {
    const other = createEpoch(random, genesis.id)
    const forged = { ...operation, id: other.id }
    const refused = expect.objectContaining({ code: 'CERTIFICATE_INVALID' })
    expect(() => openEpochBox(genesis.id, forged, laptop.id, laptop.secrets.boxSecret)).toThrow(refused)
    expect(() => openEpochBox('00'.repeat(32), operation, laptop.id, laptop.secrets.boxSecret)).toThrow(
      refused,
    )
    const bent = { ...operation, previous: operation.previous.map((one) => ({ ...one, id: other.id })) }
    const epoch = openEpochBox(genesis.id, operation, laptop.id, laptop.secrets.boxSecret)
    if (epoch === undefined) return expect.unreachable()
    await expect(openPrevious(crypto, genesis.id, bent, epoch)).rejects.toMatchObject({
      code: 'CERTIFICATE_INVALID',
    })
  })

  test('has a key of its own for each purpose, and other ones in another workspace (cases 21, 22)', () => {
    const epoch = epochOf(genesis.id, new Uint8Array(32).fill(1), new Uint8Array(32).fill(2))
    const purposes = ['commit', 'dedup', 'gear', 'discovery', 'relay-pull', 'relay-push'] as const
    const keys = purposes.map((purpose) => Buffer.from(epochKey(epoch, purpose)).toString('hex'))
    expect(new Set(keys).size).toBe(purposes.length)
    expect(epochOf('00'.repeat(32), epoch.read, epoch.push).id).not.toBe(epoch.id)
  })
})

describe('a grant', () => {
  test('opens for its receiver, by its sender', async () => {
    expect(await open(sealed)).toEqual(grant)
    const wrongReceiver = openGrant({ crypto, secrets: laptop.secrets, from: certificateOf(laptop) }, sealed)
    await expect(wrongReceiver).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' })
    const wrongSender = openGrant({ crypto, secrets: desktop.secrets, from: certificateOf(desktop) }, sealed)
    await expect(wrongSender).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' })
  })

  test("may come before the workspace's name is known", async () => {
    const nameless = { ...grant, name: undefined }
    const to = certificateOf(desktop)
    expect(await open(await sealGrant({ crypto, random, secrets: laptop.secrets, to }, nameless))).toEqual(
      nameless,
    )
  })
})

describe('a recovery bundle', () => {
  test('gives identity, workspaces and relays to who has the phrase', async () => {
    const opened = await openRecovery(crypto, root, recovery)
    expect([...opened.identity.entries.keys()].sort()).toEqual([...identity.entries.keys()].sort())
    expect({ ...opened, identity: undefined }).toEqual({ ...bundle, identity: undefined })
  })

  test('stays shut for another phrase, and counts only from an active device', async () => {
    const other = await testUser('other')
    await expect(openRecovery(crypto, other.root, recovery)).rejects.toMatchObject({
      code: 'CERTIFICATE_INVALID',
    })
    const revoked = await merged(
      identity,
      await revokeDevice({ crypto, identity, seed: root.rootSeed, time: TIME }, laptop.id),
    )
    const stale = await sealRecovery(
      { crypto, random, secrets: laptop.secrets },
      { ...bundle, identity: revoked },
    )
    await expect(openRecovery(crypto, root, stale)).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' })
  })
})
