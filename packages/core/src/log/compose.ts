import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { Crypto } from '../ports/crypto.js'
import type { Random } from '../ports/random.js'
import { type Body, encodeBody, encodeUpdates } from './body.js'
import type { Ledger, Staged } from './ledger.js'
import { MAX_DEPS, MAX_INLINE_BYTES, MAX_PADDED_BYTES, MAX_UPDATES_BYTES } from './limits.js'
import type { OwnFeed } from './own-feed.js'
import { sealCommit } from './seal.js'
import type { CommitDraft, LogAuthority, UpdateStore } from './types.js'

export interface ComposeInit {
  crypto: Crypto
  random: Random
  clock: Clock
  authority: LogAuthority
  updateStore: UpdateStore | undefined
}

/** Seals and signs a draft as the next commit of the own feed. Nothing is written but blocks, where the updates are too large to travel inside. */
export async function composeCommit(
  init: ComposeInit,
  ledger: Ledger,
  own: OwnFeed,
  draft: CommitDraft,
  options?: AbortOptions,
): Promise<Staged> {
  const tip = own.tip(ledger)
  const proof = tip === undefined ? await init.authority.certifyFeed(own.key, options) : undefined
  const now = init.clock.now()
  const cites = init.authority.cite()
  const body: Body = {
    feed: own.id,
    seq: (tip?.tipSeq ?? 0) + 1,
    tenure: cites.tenure,
    aclHeads: [...cites.aclHeads].sort(),
    identityHeads: [...cites.identityHeads].sort(),
    deps: [...ledger.heads]
      .filter((id) => id !== tip?.tipId)
      .sort()
      .slice(0, MAX_DEPS),
    stamp: ledger.stamp + 1,
    time: Math.max(0, Math.floor(now)),
    content: { updates: draft.updates },
    operations: draft.operations ?? [],
    proof,
    closes: tip === undefined ? own.closes : undefined,
  }
  body.content = await place(init, body, options)
  const { handle, keyring } = init.authority
  const sealInit = {
    handle,
    prev: tip?.tipId,
    epoch: keyring.current(),
    feedSeed: own.seed,
    feedKey: own.key,
    body,
  }
  const sealed = await sealCommit(init.crypto, init.random, sealInit, options)
  const owner = { device: init.authority.device, user: init.authority.user }
  const local = { owner, received: now, position: undefined, next: undefined, checked: true }
  return { sealed, body, updates: draft.updates, ...local }
}

/** Updates inside the commit, or, where they do not fit, in blocks. */
async function place(init: ComposeInit, body: Body, options?: AbortOptions): Promise<Body['content']> {
  if (!('updates' in body.content)) return body.content
  const { updates } = body.content
  const bytes = updates.reduce((sum, { update }) => sum + update.length + 16, 0)
  if (bytes <= MAX_INLINE_BYTES && encodeBody(body).length + 4 <= MAX_PADDED_BYTES) return body.content
  if (init.updateStore === undefined || bytes > MAX_UPDATES_BYTES) {
    throw new PeerfoldError('COMMIT_TOO_LARGE', `a transaction of ${bytes} bytes of updates`)
  }
  return { root: await init.updateStore.put(encodeUpdates(updates), options) }
}
