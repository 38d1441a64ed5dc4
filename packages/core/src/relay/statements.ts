import { keyOfPeerId } from '../access/peer-key.js'
import { signedMessage } from '../access/signed.js'
import { concatBytes, equalBytes, fromHex, toHex } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { sha256Now } from '../encoding/derive.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import type { CommitId, WorkspaceHandle } from '../ports/ids.js'
import type { PeerId } from '../ports/network.js'
import { bytes, type Decoded, id, integer, optional, record, text } from '../sync/codec.js'
import type { SignedStatement } from './messages.js'

/**
 * What a relay says under its signature of a mailbox, and of what it stored (PROTOCOL.md §10.5). `chain` stands for all commits before `next`, in their
 * order: of two statements about one place of one incarnation that have different chains, one is a lie, and both together prove it to anyone.
 */
const statement = record({
  v: integer(1, 1),
  relay: bytes(32),
  handle: id(),
  /** Which life of the mailbox: another one after the relay lost or restored its disk. */
  incarnation: id(16),
  /** The place that the next commit will get, from 1. */
  next: integer(1),
  chain: id(),
  time: integer(0),
  /** What is durable there because of the question that this answers. */
  stored: optional(record({ kind: text(8, /^(blocks|commits)$/), count: integer(1), hash: id() })),
})

export type Statement = Omit<Decoded<typeof statement>, 'v' | 'relay'> & { relay: PeerId }

export const START_CHAIN = '0'.repeat(64)

/** The chain after one more commit. */
export function nextChain(chain: string, commit: CommitId): string {
  return toHex(sha256Now(fromHex(chain), fromHex(commit)))
}

/** What `stored.hash` is of: ids of commits or digests of blocks, in the order in which they were sent. */
export function hashOfStored(ids: readonly Uint8Array[]): string {
  return toHex(sha256Now(...ids))
}

/** @param peerSeed of the relay's libp2p key: its PeerId is all that is needed to check */
export async function signStatement(
  crypto: Pick<Crypto, 'sign'>,
  peerSeed: Uint8Array,
  { relay, ...said }: Statement,
  options?: AbortOptions,
): Promise<SignedStatement> {
  const encoded = encodeCbor(statement.encode({ v: 1, relay: keyOfPeerId(relay), ...said }))
  return { statement: encoded, signature: await crypto.sign(peerSeed, messageOf(encoded), options) }
}

/** @throws {PeerfoldError} `MESSAGE_INVALID` when that relay did not say it of that workspace */
export async function readStatement(
  crypto: Pick<Crypto, 'verify'>,
  from: { relay: PeerId; handle: WorkspaceHandle },
  signed: SignedStatement,
  options?: AbortOptions,
): Promise<Statement> {
  const { v: _, relay, ...said } = statement.decode(decodeCbor(signed.statement), 'statement')
  const publicKey = keyOfPeerId(from.relay)
  const job = { publicKey, message: messageOf(signed.statement), signature: signed.signature }
  const [sound] = await crypto.verify([job], options)
  if (sound !== true || !equalBytes(relay, publicKey) || said.handle !== from.handle)
    throw new PeerfoldError('MESSAGE_INVALID', 'a statement that the relay did not make of this workspace')
  return { ...said, relay: from.relay }
}

/** Whether both cannot be true. */
export function contradict(one: Statement, other: Statement): boolean {
  const same = one.relay === other.relay && one.handle === other.handle
  return same && one.incarnation === other.incarnation && one.next === other.next && one.chain !== other.chain
}

function messageOf(encoded: Uint8Array): Uint8Array {
  return signedMessage('relay-statement', concatBytes(encoded))
}
