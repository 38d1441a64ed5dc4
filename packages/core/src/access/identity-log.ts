import { fromHex, toHex } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { DeviceId, UserId } from '../ports/ids.js'
import {
  decodeEntry,
  type EntryContent,
  type EntryId,
  encodeEntry,
  entrySignatures,
  type IdentityEntry,
  MAX_PREVS,
} from './identity-entry.js'
import { foldIdentity, headsOf, withCauses } from './identity-fold.js'
import { type RootSecrets, recoveryKey } from './phrase.js'

/**
 * A user's identity log as one replica holds it: a value that `mergeIdentity` replaces, never changes. Its meaning comes from `foldIdentity`.
 * Size limits: 512 entries, the last of which only revocations and the root may fill; 128 entries held for missing causes.
 */
export interface IdentityLog {
  readonly user: UserId
  /** Signatures checked, causes there. */
  readonly entries: ReadonlyMap<EntryId, IdentityEntry>
  /** Signatures checked, some cause missing. */
  readonly held: ReadonlyMap<EntryId, IdentityEntry>
}

export interface IdentityMerge {
  identity: IdentityLog
  /** Entries that now count, causes first. */
  added: IdentityEntry[]
  /** `index` into what came in. */
  refused: Array<{ index: number; error: PeerfoldError }>
}

/** A device that was stolen cannot fill the log so far that others could not revoke it, nor so far that the root could not. */
const ROOM = { addDevice: 384, revokeDevice: 448, root: 512 }
const MAX_HELD = 128
const MAX_INCOMING = 1024

export function emptyIdentity(user: UserId): IdentityLog {
  return { user, entries: new Map(), held: new Map() }
}

/** The log's bytes, causes first: what is stored, and sent to others. */
export function identityBytes(identity: IdentityLog): Uint8Array[] {
  return withCauses(identity.entries, headsOf([...identity.entries.values()])).map(({ bytes }) => bytes)
}

/**
 * Takes entries from anywhere, in any order, any number of times. Bad ones are refused one by one and harm nothing else.
 * Honours `options.signal` while signatures are checked.
 */
export async function mergeIdentity(
  crypto: Pick<Crypto, 'verify'>,
  known: IdentityLog,
  incoming: readonly Uint8Array[],
  options?: AbortOptions,
): Promise<IdentityMerge> {
  const isKnown = (id: EntryId) => known.entries.has(id) || known.held.has(id)
  const fresh = incoming.map((bytes) => (isKnown(toHex(sha256Now(bytes))) ? undefined : bytes))
  const { verified, refused } = await verifyEntries(crypto, known.user, fresh, options)
  return { ...admit(known, verified, refused), refused }
}

/** Entries with their index into what came in; each once. */
export interface VerifiedEntries {
  verified: Array<{ entry: IdentityEntry; index: number }>
  refused: IdentityMerge['refused']
}

/** Decodes entries and checks their signatures, whatever they build on. Those that are undefined are passed over. */
export async function verifyEntries(
  crypto: Pick<Crypto, 'verify'>,
  user: UserId,
  incoming: ReadonlyArray<Uint8Array | undefined>,
  options?: AbortOptions,
): Promise<VerifiedEntries> {
  const refused: IdentityMerge['refused'] = []
  const fresh = new Map<EntryId, { entry: IdentityEntry; index: number }>()
  for (const [index, bytes] of incoming.entries()) {
    if (bytes === undefined) continue
    try {
      if (fresh.size >= MAX_INCOMING) throw full('too many identity entries at once')
      const entry = decodeEntry(bytes, user)
      if (!fresh.has(entry.id)) fresh.set(entry.id, { entry, index })
    } catch (error) {
      refused.push({ index, error: asPeerfoldError(error) })
    }
  }
  return { verified: await checkAll(crypto, [...fresh.values()], refused, options), refused }
}

/** The same for entries whose signatures were checked before. */
export function mergeVerified(known: IdentityLog, entries: readonly IdentityEntry[]): IdentityLog {
  const fresh = entries.filter(({ id }) => !known.entries.has(id))
  if (fresh.length === 0) return known
  const verified = fresh.map((entry, index) => ({ entry, index }))
  return admit(known, verified, []).identity
}

/** The first entry of a user: the same bytes whenever it is made from the same phrase. Its id is the user id. */
export async function createGenesis(
  crypto: Pick<Crypto, 'sign' | 'publicKey'>,
  root: RootSecrets,
  options?: AbortOptions,
): Promise<{ user: UserId; bytes: Uint8Array }> {
  const content = { type: 'genesis', recovery: recoveryKey(root) } as const
  const init = { crypto, seed: root.rootSeed, user: undefined, prevs: [], time: 0, content }
  const bytes = await encodeEntry(init, options)
  return { user: toHex(sha256Now(bytes)), bytes }
}

export interface IdentityChange {
  crypto: Pick<Crypto, 'sign' | 'publicKey'>
  identity: IdentityLog
  /** Ed25519 seed: an active device's signing seed, or the root's. */
  seed: Uint8Array
  /** Milliseconds since 1970. */
  time: number
}

/** Certifies a device whose request was checked. Returns the new entry, to be merged. */
export function addDevice(
  change: IdentityChange,
  request: Uint8Array,
  options?: AbortOptions,
): Promise<Uint8Array> {
  return append(change, { type: 'addDevice', request }, options)
}

/** Its cut is everything in `change.identity`: entries by that device that are not there yet will be void. */
export function revokeDevice(
  change: IdentityChange,
  device: DeviceId,
  options?: AbortOptions,
): Promise<Uint8Array> {
  return append(change, { type: 'revokeDevice', device: fromHex(device) }, options)
}

/** Undoes the revocations of a device in `change.identity`; `change.seed` must be the root's. */
export function restoreDevice(
  change: IdentityChange,
  device: DeviceId,
  options?: AbortOptions,
): Promise<Uint8Array> {
  return append(change, { type: 'restoreDevice', device: fromHex(device) }, options)
}

/** The X25519 key to which secrets are boxed for recovery; undefined before the genesis is there. */
export function recoveryKeyOf(identity: IdentityLog): Uint8Array | undefined {
  const genesis = identity.entries.get(identity.user)
  return genesis?.type === 'genesis' ? genesis.recovery : undefined
}

async function append(
  change: IdentityChange,
  content: EntryContent,
  options?: AbortOptions,
): Promise<Uint8Array> {
  const { crypto, identity, seed, time } = change
  const prevs = causesFor(identity)
  if (prevs.length === 0) throw new PeerfoldError('INVALID_ARGUMENT', 'the identity log has no genesis')
  return encodeEntry({ crypto, seed, user: identity.user, prevs, time, content }, options)
}

/** Heads, those that count first: junk that someone piled up may fall out of the causes, honest entries do not. */
function causesFor(identity: IdentityLog): EntryId[] {
  const { heads, labels } = foldIdentity(identity.entries.values())
  const rank = (id: EntryId) => (labels.get(id) === 'void' ? 1 : 0)
  return [...heads].sort((a, b) => rank(a) - rank(b)).slice(0, MAX_PREVS)
}

async function checkAll(
  crypto: Pick<Crypto, 'verify'>,
  fresh: ReadonlyArray<{ entry: IdentityEntry; index: number }>,
  refused: IdentityMerge['refused'],
  options?: AbortOptions,
): Promise<Array<{ entry: IdentityEntry; index: number }>> {
  const jobs = fresh.map(({ entry }) => entrySignatures(entry))
  const verdicts = (await crypto.verify(jobs.flat(), options)).values()
  return fresh.filter(({ index }, i) => {
    const sound = (jobs[i] as unknown[]).map(() => verdicts.next().value).every(Boolean)
    if (!sound) {
      const error = new PeerfoldError('CERTIFICATE_INVALID', 'identity entry: a signature is wrong')
      refused.push({ index, error })
    }
    return sound
  })
}

function admit(
  known: IdentityLog,
  verified: ReadonlyArray<{ entry: IdentityEntry; index: number }>,
  refused: IdentityMerge['refused'],
): Pick<IdentityMerge, 'identity' | 'added'> {
  const entries = new Map(known.entries)
  const held = new Map(known.held)
  const index = new Map(verified.map((one) => [one.entry.id, one.index]))
  const waiting = new Map([...known.held, ...verified.map(({ entry }) => [entry.id, entry] as const)])
  const added: IdentityEntry[] = []
  const all = new Map([...entries, ...waiting])
  for (const entry of withCauses(all, waiting.keys())) {
    if (!waiting.has(entry.id) || !entry.prevs.every((prev) => entries.has(prev))) continue
    waiting.delete(entry.id)
    held.delete(entry.id)
    if (hasRoom(entry, { user: known.user, entries })) {
      entries.set(entry.id, entry)
      added.push(entry)
    } else refused.push({ index: index.get(entry.id) ?? -1, error: full('the identity log is full') })
  }
  for (const entry of waiting.values()) {
    if (held.has(entry.id)) continue
    if (held.size < MAX_HELD) held.set(entry.id, entry)
    else refused.push({ index: index.get(entry.id) ?? -1, error: full('too many entries wait for causes') })
  }
  return { identity: { user: known.user, entries, held }, added }
}

/** What builds on an entry that found no room waits for it, and never counts either. */
function hasRoom(entry: IdentityEntry, { user, entries }: Pick<IdentityLog, 'user' | 'entries'>): boolean {
  const byRoot = entry.signerDevice === (entries.get(user) ?? entry).signerDevice
  return (
    entries.size < (byRoot ? ROOM.root : entry.type === 'revokeDevice' ? ROOM.revokeDevice : ROOM.addDevice)
  )
}

function full(reason: string): PeerfoldError {
  return new PeerfoldError('BUSY', reason, {
    retryable: false,
    hint: 'A device of this user may be in wrong hands: remove it, if need be with the recovery phrase.',
  })
}

function asPeerfoldError(error: unknown): PeerfoldError {
  if (isPeerfoldError(error)) return error
  return new PeerfoldError('CERTIFICATE_INVALID', 'identity entry: unreadable', { cause: error })
}
