import { type IdentityLog, identityBytes } from '../../access/identity-log.js'
import { rootSecrets } from '../../access/phrase.js'
import { openRecovery, type RecoveryBundle, sealRecovery } from '../../access/recovery-bundle.js'
import { withDeadline } from '../../async/deadline.js'
import { toHex } from '../../encoding/bytes.js'
import { encodeCbor } from '../../encoding/cbor.js'
import { sha256Now } from '../../encoding/derive.js'
import { isPeerfoldError, PeerfoldError } from '../../errors.js'
import type { AbortOptions } from '../../ports/abort.js'
import type { Clock } from '../../ports/clock.js'
import type { Crypto } from '../../ports/crypto.js'
import type { Network } from '../../ports/network.js'
import type { Random } from '../../ports/random.js'
import { bundleId } from '../../relay/proofs.js'
import { RelaySession } from '../../relay/session.js'
import type { IdentityStore } from '../identity-store.js'
import type { WorkspaceRuntime } from '../workspace-runtime.js'
import type { KnownRelay } from './relay-book.js'

const DIAL_MS = 10_000

export interface OfferRecoveryInit {
  crypto: Crypto
  random: Random
  clock: Clock
  identity: IdentityStore
  workspaces: readonly WorkspaceRuntime[]
  relays: readonly KnownRelay[]
}

/** What relays keep so that the phrase alone brings everything back. */
export interface RecoveryOffer {
  /** Where relays keep it. */
  id: string
  /** Differs when what is in it does: sealing is only for what is new. */
  version: string
  seal(options?: AbortOptions): Promise<Uint8Array>
}

export function offerRecovery(init: OfferRecoveryInit): RecoveryOffer {
  const { crypto, random, clock, identity } = init
  const grants = init.workspaces.map(({ access }) => access.grant())
  const relays = init.relays.flatMap(({ addresses }) => addresses)
  const bundle = { identity: identity.identity, grants, relays, time: Math.trunc(clock.now()) }
  return {
    id: bundleId(rootKeyOf(identity.identity)),
    version: versionOf(bundle),
    seal: (options) => sealRecovery({ crypto, random, secrets: identity.secrets }, bundle, options),
  }
}

export interface FetchBundlesInit {
  network: Network
  crypto: Crypto
  clock: Clock
}

/**
 * What relays keep for a phrase: all bundles that open, from every relay that answers.
 *
 * @throws {PeerfoldError} what kept the last relay from answering; `NOT_FOUND` when none has anything that opens
 */
export async function fetchBundles(
  init: FetchBundlesInit,
  phrase: string,
  relays: readonly KnownRelay[],
  options?: AbortOptions,
): Promise<RecoveryBundle[]> {
  const root = rootSecrets(phrase)
  const publicKey = init.crypto.publicKey(root.rootSeed)
  const bundles: RecoveryBundle[] = []
  let failure: unknown = new PeerfoldError('NOT_FOUND', 'no relay keeps anything for this phrase', {
    hint: 'Check the phrase and the relay; a device that still has the files can invite this one.',
  })
  for (const relay of relays) {
    try {
      const found = await askRelay(init, relay, { seed: root.rootSeed, publicKey }, options)
      for (const bytes of found) {
        const bundle = await openRecovery(init.crypto, root, bytes, options).catch(() => undefined)
        if (bundle !== undefined) bundles.push(bundle)
      }
    } catch (error) {
      options?.signal?.throwIfAborted()
      if (!isPeerfoldError(error)) throw error
      failure = error
    }
  }
  if (bundles.length === 0) throw failure
  return bundles
}

async function askRelay(
  { network, crypto, clock }: FetchBundlesInit,
  { peer, addresses }: KnownRelay,
  root: { seed: Uint8Array; publicKey: Uint8Array },
  options?: AbortOptions,
): Promise<Uint8Array[]> {
  const dial = (signal: AbortSignal) => network.dial({ peer, addresses }, { signal })
  await withDeadline(clock, DIAL_MS, 'dialling the relay', dial, options)
  const session = await RelaySession.open({ network, clock, crypto, relay: peer }, options)
  try {
    return await session.recover(root, options)
  } finally {
    session.end(new PeerfoldError('CLOSED', 'asked and answered'))
  }
}

function rootKeyOf(identity: IdentityLog): Uint8Array {
  const genesis = identity.entries.get(identity.user)
  if (genesis === undefined) throw new PeerfoldError('NO_IDENTITY', 'the identity log has no genesis')
  return genesis.signer
}

function versionOf({ identity, grants, relays }: RecoveryBundle): string {
  const epochs = grants.map((grant) => [
    grant.genesis.id,
    grant.name ?? null,
    grant.epochs.map(({ id }) => id),
  ])
  return toHex(sha256Now(encodeCbor([identityBytes(identity), epochs, relays])))
}
