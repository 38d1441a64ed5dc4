import { createDeviceRequest } from '../../src/access/device-request.js'
import { createDeviceSecrets, devicePublicKeys } from '../../src/access/device-secrets.js'
import {
  addDevice,
  createGenesis,
  emptyIdentity,
  type IdentityLog,
  mergeIdentity,
} from '../../src/access/identity-log.js'
import { createPhrase, type RootSecrets, rootSecrets } from '../../src/access/phrase.js'
import type { DeviceSecrets } from '../../src/access/types.js'
import { createWebCrypto } from '../../src/crypto/web-crypto.js'
import { toHex } from '../../src/encoding/bytes.js'
import { sha256Now } from '../../src/encoding/derive.js'
import type { Crypto, VerifyJob } from '../../src/ports/crypto.js'
import { createSeededRandom, type SeededRandom } from '../../src/testing/seeded-random.js'

const real = createWebCrypto()
const keys = new Map<string, Uint8Array>()
const verdicts = new Map<string, boolean>()

/** The real thing, which remembers: shuffled histories check the same few signatures over and over. */
export const crypto: Crypto = Object.assign(Object.create(real) as Crypto, {
  hash: real.hash.bind(real),
  seal: real.seal.bind(real),
  open: real.open.bind(real),
  sign: real.sign.bind(real),
  publicKey(seed: Uint8Array): Uint8Array {
    const name = toHex(seed)
    const key = keys.get(name) ?? real.publicKey(seed)
    keys.set(name, key)
    return key
  },
  async verify(jobs: readonly VerifyJob[]): Promise<boolean[]> {
    const names = jobs.map(({ publicKey, message, signature }) =>
      toHex(sha256Now(publicKey, signature, message)),
    )
    const fresh = jobs.filter((_, i) => !verdicts.has(names[i] as string))
    const found = (await real.verify(fresh)).values()
    for (const name of names) if (!verdicts.has(name)) verdicts.set(name, found.next().value as boolean)
    return names.map((name) => verdicts.get(name) as boolean)
  },
})
/** 2026-01-01, for every time that is only shown. */
export const TIME = 1767225600000

export interface TestUser {
  random: SeededRandom
  phrase: string
  root: RootSecrets
  user: string
  genesis: Uint8Array
}

export async function testUser(seed: number | string): Promise<TestUser> {
  const random = createSeededRandom(seed)
  const phrase = createPhrase(random)
  const root = rootSecrets(phrase)
  const { user, bytes } = await createGenesis(crypto, root)
  return { random, phrase, root, user, genesis: bytes }
}

export interface TestDevice {
  secrets: DeviceSecrets
  id: string
  peer: string
  boxKey: Uint8Array
  request: Uint8Array
}

export async function testDevice({ random, user }: TestUser, name: string): Promise<TestDevice> {
  const secrets = createDeviceSecrets(random)
  const { device, peer, boxKey } = devicePublicKeys(crypto, secrets)
  const request = await createDeviceRequest({ crypto, secrets, user, name, time: TIME })
  return { secrets, id: device, peer, boxKey, request }
}

export async function merged(known: IdentityLog, ...entries: Uint8Array[]): Promise<IdentityLog> {
  const { identity, refused } = await mergeIdentity(crypto, known, entries)
  if (refused[0] !== undefined) throw refused[0].error
  return identity
}

/** A user whose devices were certified one after the other: the first by the root, each further one by the first. */
export async function testHousehold(seed: number | string, names: readonly string[]) {
  const owner = await testUser(seed)
  let identity = await merged(emptyIdentity(owner.user), owner.genesis)
  const devices: TestDevice[] = []
  for (const name of names) {
    const device = await testDevice(owner, name)
    const by = devices[0]?.secrets.signingSeed ?? owner.root.rootSeed
    identity = await merged(
      identity,
      await addDevice({ crypto, identity, seed: by, time: TIME }, device.request),
    )
    devices.push(device)
  }
  return { owner, identity, devices }
}
