import type { WorkspaceHandle } from '@peerfold/core'
import { hashOfStored, type SignedStatement, signStatement } from '@peerfold/core/relay'
import type { Standing } from '../mailbox/jobs.js'
import type { Parts } from './context.js'

/** What the relay says of a mailbox, under its signature (PROTOCOL.md §10.5). */
export function state(
  { crypto, seed, peer, clock }: Parts,
  handle: WorkspaceHandle,
  { incarnation, next, chain }: Standing,
  stored?: { kind: 'blocks' | 'commits'; ids: readonly Uint8Array[] },
): Promise<SignedStatement> {
  return signStatement(crypto, seed, {
    relay: peer,
    handle,
    incarnation,
    next,
    chain,
    time: Math.trunc(clock.now()),
    stored: stored && { kind: stored.kind, count: stored.ids.length, hash: hashOfStored(stored.ids) },
  })
}
