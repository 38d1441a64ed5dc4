import { createDeviceRequest } from '../access/device-request.js'
import {
  createDeviceSecrets,
  type DevicePublicKeys,
  devicePublicKeys,
  unwrapSecrets,
  wrapSecrets,
} from '../access/device-secrets.js'
import { foldIdentity } from '../access/identity-fold.js'
import {
  addDevice,
  createGenesis,
  emptyIdentity,
  type IdentityLog,
  identityBytes,
  mergeIdentity,
  revokeDevice,
} from '../access/identity-log.js'
import { createPhrase, parsePhrase, type RootSecrets, rootSecrets } from '../access/phrase.js'
import type { DeviceCertificate, DeviceSecrets, DeviceStanding } from '../access/types.js'
import { Emitter } from '../async/emitter.js'
import { Mutex } from '../async/mutex.js'
import { fromUtf8, toUtf8 } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { Crypto } from '../ports/crypto.js'
import type { DeviceId, UserId } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import type { Random } from '../ports/random.js'
import type { DeviceJournal } from './journal.js'

export interface IdentityStoreInit {
  journal: DeviceJournal
  /** 32 bytes that wrap the device's secrets. */
  wrapKey: Uint8Array
  crypto: Crypto
  clock: Clock
  random: Random
}

const SECRETS = 'device/secrets'
const USER = 'identity/user'
const ENTRY = 'identity/entry/'

/** Who this device is, and what it knows of its user's other devices. */
export class IdentityStore {
  readonly secrets: DeviceSecrets
  readonly keys: DevicePublicKeys
  readonly #init: IdentityStoreInit
  readonly #events = new Emitter<{ change: () => void }>()
  /** A change is made from what the one before it left. */
  readonly #mutex = new Mutex()
  #identity: IdentityLog | undefined
  #standings: ReadonlyMap<DeviceId, DeviceStanding> = new Map()

  private constructor(init: IdentityStoreInit, secrets: DeviceSecrets) {
    this.#init = init
    this.secrets = secrets
    this.keys = devicePublicKeys(init.crypto, secrets)
  }

  /** Opens what the journal holds; a new home gets its device keys now, since the network needs them before there is a user. */
  static async open(init: IdentityStoreInit, options?: AbortOptions): Promise<IdentityStore> {
    const store = new IdentityStore(init, await loadSecrets(init, options))
    const user = init.journal.get(USER)
    if (user !== undefined) {
      const entries = init.journal.keys(ENTRY).map((key) => init.journal.get(key) as Uint8Array)
      const { identity } = await mergeIdentity(init.crypto, emptyIdentity(fromUtf8(user)), entries, options)
      store.#use(identity)
    }
    return store
  }

  get hasIdentity(): boolean {
    return this.#identity !== undefined
  }

  /** @throws {PeerfoldError} `NO_IDENTITY` */
  get identity(): IdentityLog {
    if (this.#identity === undefined)
      throw new PeerfoldError('NO_IDENTITY', 'this device has no identity yet')
    return this.#identity
  }

  /** @throws {PeerfoldError} `NO_IDENTITY` */
  throwIfNone(): void {
    void this.identity
  }

  get user(): UserId {
    return this.identity.user
  }

  /** Devices of the user by id. */
  get standings(): ReadonlyMap<DeviceId, DeviceStanding> {
    return this.#standings
  }

  get own(): DeviceStanding | undefined {
    return this.#standings.get(this.keys.device)
  }

  /** Active devices of the user beside this one. */
  others(): DeviceCertificate[] {
    return [...this.#standings.values()]
      .filter(({ certificate, state }) => state === 'active' && certificate.device !== this.keys.device)
      .map(({ certificate }) => certificate)
  }

  byPeer(peer: PeerId): DeviceStanding | undefined {
    return findPeer(this.#standings, peer)
  }

  nameOf(device: DeviceId): string | undefined {
    return this.#standings.get(device)?.certificate.name
  }

  onChange(listener: () => void): () => void {
    return this.#events.on('change', listener)
  }

  /** @throws {PeerfoldError} `IDENTITY_EXISTS` */
  async create(name: string, options?: AbortOptions): Promise<{ phrase: string }> {
    const phrase = createPhrase(this.#init.random)
    await this.#begin(rootSecrets(phrase), name, options)
    return { phrase }
  }

  /** @throws {PeerfoldError} `PHRASE_INVALID`, `IDENTITY_EXISTS` */
  async recover(phrase: string, name: string, options?: AbortOptions): Promise<void> {
    this.throwIfExists()
    await this.#begin(rootSecrets(parsePhrase(phrase)), name, options)
  }

  /** What this device asks to be certified with. */
  async request(user: UserId, name: string, options?: AbortOptions): Promise<Uint8Array> {
    const { crypto, clock } = this.#init
    return await createDeviceRequest(
      { crypto, secrets: this.secrets, user, name, time: clock.now() },
      options,
    )
  }

  /** Takes the identity that pairing gave. @throws {PeerfoldError} `IDENTITY_EXISTS`, `PAIRING_REFUSED` when this device is not in it */
  async adopt(user: UserId, entries: readonly Uint8Array[], options?: AbortOptions): Promise<void> {
    this.throwIfExists()
    const { identity } = await mergeIdentity(this.#init.crypto, emptyIdentity(user), entries, options)
    if (foldIdentity(identity.entries.values()).standings.get(this.keys.device)?.state !== 'active')
      throw new PeerfoldError('PAIRING_REFUSED', 'the other device did not certify this one')
    await this.#save(identity, options)
  }

  throwIfExists(): void {
    if (this.hasIdentity) throw new PeerfoldError('IDENTITY_EXISTS', 'this device has an identity already')
  }

  /** Certifies another device. @returns all entries, for it */
  async certify(request: Uint8Array, options?: AbortOptions): Promise<Uint8Array[]> {
    await this.merge([await addDevice(this.#change(), request, options)], options)
    return identityBytes(this.identity)
  }

  async revoke(device: DeviceId, options?: AbortOptions): Promise<void> {
    await this.merge([await revokeDevice(this.#change(), device, options)], options)
  }

  /** Learns entries from a device of the user. Bad ones are left out. @returns whether any was news */
  async merge(entries: readonly Uint8Array[], options?: AbortOptions): Promise<boolean> {
    return await this.#mutex.run(async () => {
      const { identity, added } = await mergeIdentity(this.#init.crypto, this.identity, entries, options)
      if (added.length === 0) return false
      await this.#save(identity, options)
      return true
    }, options)
  }

  /**
   * Judges a peer by what is known and what it presents. Entries stay only when the peer is a device that was known before, or that both together
   * show to be active: strangers must not fill the log. A removed device is heard too, since it may have removed its remover: every replica
   * must come to the same verdict about the two, whomever it meets first.
   *
   * @returns its standing, if it is or was a device of the user at all
   */
  async meet(
    peer: PeerId,
    entries: readonly Uint8Array[],
    options?: AbortOptions,
  ): Promise<DeviceStanding | undefined> {
    return await this.#mutex.run(async () => {
      const { identity, added } = await mergeIdentity(this.#init.crypto, this.identity, entries, options)
      const standing = findPeer(foldIdentity(identity.entries.values()).standings, peer)
      const known = this.byPeer(peer) !== undefined
      if ((known || standing?.state === 'active') && added.length > 0) await this.#save(identity, options)
      return standing
    }, options)
  }

  entries(): Uint8Array[] {
    return identityBytes(this.identity)
  }

  async #begin(root: RootSecrets, name: string, options?: AbortOptions): Promise<void> {
    await this.#mutex.run(() => this.#beginAlone(root, name, options), options)
  }

  async #beginAlone(root: RootSecrets, name: string, options?: AbortOptions): Promise<void> {
    this.throwIfExists()
    const { crypto, clock } = this.#init
    const genesis = await createGenesis(crypto, root, options)
    const { identity } = await mergeIdentity(crypto, emptyIdentity(genesis.user), [genesis.bytes], options)
    const change = { crypto, identity, seed: root.rootSeed, time: clock.now() }
    const entry = await addDevice(change, await this.request(genesis.user, name, options), options)
    await this.#save((await mergeIdentity(crypto, identity, [entry], options)).identity, options)
  }

  #change() {
    const { crypto, clock } = this.#init
    return { crypto, identity: this.identity, seed: this.secrets.signingSeed, time: clock.now() }
  }

  /** Durable before anyone hears of it. */
  async #save(identity: IdentityLog, options?: AbortOptions): Promise<void> {
    const known = this.#identity?.entries
    const fresh = [...identity.entries.values()].filter(({ id }) => known?.has(id) !== true)
    await this.#init.journal.set(
      [[USER, toUtf8(identity.user)], ...fresh.map(({ id, bytes }) => [ENTRY + id, bytes] as const)],
      options,
    )
    this.#use(identity)
    this.#events.emit('change')
  }

  #use(identity: IdentityLog): void {
    this.#identity = identity
    this.#standings = foldIdentity(identity.entries.values()).standings
  }
}

function findPeer(
  standings: ReadonlyMap<DeviceId, DeviceStanding>,
  peer: PeerId,
): DeviceStanding | undefined {
  for (const standing of standings.values()) if (standing.certificate.peer === peer) return standing
  return undefined
}

async function loadSecrets(init: IdentityStoreInit, options?: AbortOptions): Promise<DeviceSecrets> {
  const { journal, crypto, random, wrapKey } = init
  const wrapped = journal.get(SECRETS)
  if (wrapped !== undefined) return await unwrapSecrets(crypto, wrapped, wrapKey, options)
  const secrets = createDeviceSecrets(random)
  await journal.set([[SECRETS, await wrapSecrets({ crypto, random }, secrets, wrapKey, options)]], options)
  return secrets
}
