import { equalBytes } from '../encoding/bytes.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Crypto } from '../ports/crypto.js'
import { blockCid, blockDigest } from './block-cid.js'
import {
  decodeNode,
  decodeRoot,
  type Entry,
  invalid,
  type ManifestNode,
  type ManifestRoot,
  PlainHash,
} from './manifest.js'
import { mapOrdered } from './map-ordered.js'
import type { BlockSource, ContentRef } from './types.js'

export interface ReadTreeOptions extends AbortOptions {
  source: BlockSource
  crypto: Pick<Crypto, 'open' | 'openChunks' | 'hash'>
}

/** A node with where its content begins and whether that reaches the content's end. */
export interface PlacedNode {
  node: ManifestNode
  offset: number
  last: boolean
}

/** A chunk and where in the content it begins. */
export interface PlacedChunk {
  entry: Entry
  offset: number
}

/** Bytes of content, `to` not included. */
export interface Range {
  from: number
  to: number
}

/** Nodes that are read ahead while the one before is used. */
const NODES_AHEAD = 2

/**
 * Opens a content's root and checks it against its reference.
 *
 * @throws {PeerfoldError} `MANIFEST_INVALID`, `PROTOCOL_UNSUPPORTED`, and what the source throws
 */
export async function readRoot(ref: ContentRef, options: ReadTreeOptions): Promise<ManifestRoot> {
  const root = decodeRoot(await openSealed({ digest: blockDigest(ref.root), key: ref.key }, options))
  if (root.size !== ref.size || !equalBytes(root.plain, ref.plain))
    invalid('another content than its reference says')
  if (root.body instanceof Uint8Array && !equalBytes(root.plain, await plainOf(root.body, options))) {
    invalid('an inline content that does not match')
  }
  return root
}

/** The gear seed under which a content was cut. */
export async function readGearSeed(ref: ContentRef, options: ReadTreeOptions): Promise<Uint8Array> {
  return (await readRoot(ref, options)).gearSeed
}

/** Opens the node that an entry of a parent names, and checks it against the entry. */
export async function readNode(
  entry: Entry,
  expected: { level: number; last: boolean },
  options: ReadTreeOptions,
): Promise<ManifestNode> {
  return decodeNode(await openSealed(entry, options), { ...expected, length: entry.length })
}

/**
 * The chunks of [from, to) in order. `onNode` is called for each node on the way, before what is below it is read, and is waited for.
 */
export async function* walkChunks(
  top: PlacedNode,
  range: Range,
  options: ReadTreeOptions & { onNode?: (placed: PlacedNode) => Promise<void> },
): AsyncGenerator<PlacedChunk> {
  await options.onNode?.(top)
  const children = childrenIn(top, range)
  if (top.node.level === 0) {
    yield* children
    return
  }
  const below = mapOrdered(
    children,
    NODES_AHEAD,
    async ({ entry, offset, last }, signal): Promise<PlacedNode> => {
      const expected = { level: top.node.level - 1, last }
      return { node: await readNode(entry, expected, { ...options, signal }), offset, last }
    },
    options.signal,
  )
  for await (const child of below) yield* walkChunks(child, range, options)
}

/** A node's children, with their places, that hold something of the range. */
export function childrenIn(
  { node, offset, last }: PlacedNode,
  { from, to }: Range,
): (PlacedChunk & { last: boolean })[] {
  let at = offset
  const children = node.entries.map((entry, i) => {
    const child = { entry, offset: at, last: last && i === node.entries.length - 1 }
    at += entry.length
    return child
  })
  return children.filter((child) => child.offset < to && child.offset + child.entry.length > from)
}

/** A block as the manifest describes it. */
export interface Sealed {
  digest: Uint8Array
  key: Uint8Array
  /** SHA-256 of the plaintext, where known. */
  hash?: Uint8Array
}

/**
 * Fetches and opens one block. Opening authenticates every byte of it, so the source need not hash it as well; it does when the block does
 * not open, and then either the source or the author is at fault.
 *
 * @throws {PeerfoldError} `MANIFEST_INVALID` when the author sealed something else than the manifest says; and what the source throws
 * (`BLOCK_CORRUPT` when it is the source's fault)
 */
export async function openSealed(sealed: Sealed, options: ReadTreeOptions): Promise<Uint8Array> {
  const { source, signal } = options
  const cid = blockCid(sealed.digest)
  try {
    return await openOne(sealed, await source.get(cid, { signal, unchecked: true }), options)
  } catch (error) {
    if (!isPeerfoldError(error, 'DECRYPT_FAILED')) throw error
    return await openChecked(sealed, options)
  }
}

/**
 * Opens a block that its source has checked. What does not open is the author's fault, unless the source handed out wrong bytes after all.
 *
 * @throws {PeerfoldError} `MANIFEST_INVALID`, `BLOCK_CORRUPT`, and what the source throws
 */
export async function openChecked(sealed: Sealed, options: ReadTreeOptions): Promise<Uint8Array> {
  const { source, crypto, signal } = options
  const cid = blockCid(sealed.digest)
  const bytes = await source.get(cid, { signal })
  try {
    return await openOne(sealed, bytes, options)
  } catch (error) {
    if (!isPeerfoldError(error, 'DECRYPT_FAILED')) throw error
    const [hash] = await crypto.hash([bytes], { signal })
    if (equalBytes(hash as Uint8Array, sealed.digest))
      return invalid('a block that does not open as it says', error)
    throw new PeerfoldError('BLOCK_CORRUPT', `${cid} does not match its name`, { cause: error })
  }
}

async function openOne(
  { key, hash }: Sealed,
  bytes: Uint8Array,
  { crypto, signal }: Pick<ReadTreeOptions, 'crypto' | 'signal'>,
): Promise<Uint8Array> {
  const opened =
    hash === undefined
      ? await crypto.open([{ key, ciphertext: bytes }], { signal })
      : await crypto.openChunks([{ key, bytes, hash }], { signal })
  return opened[0] as Uint8Array
}

async function plainOf(
  content: Uint8Array,
  { crypto, signal }: Pick<ReadTreeOptions, 'crypto' | 'signal'>,
): Promise<Uint8Array> {
  const plain = new PlainHash()
  if (content.length > 0) {
    const [hash] = await crypto.hash([content], { signal })
    plain.add(hash as Uint8Array, content.length)
  }
  return plain.digest()
}
