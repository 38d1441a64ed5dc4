import { fromHex, toHex } from '../encoding/bytes.js'
import { decodeCbor, encodeCbor } from '../encoding/cbor.js'
import { PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { KeyValue } from '../ports/key-value.js'
import type { EpochRecord } from './epoch-ledger.js'
import { decodeOperations, encodeOperation } from './operations.js'
import type { Carrier, FeedExtent } from './removals.js'
import type { AccessOperation, IndexBatch } from './types.js'

/**
 * What access keeps in the index between runs (PROTOCOL.md §3.14): everything in it can be rebuilt from the log. No secret is in it: those of epochs are
 * taken out of their boxes again.
 */
const PREFIX = 'access/'
const END = 'access0'

export interface WorkspaceName {
  name: string
  stamp: number
  writer: number
}

export interface AccessHead {
  id: string
  writer: number
  seq: number
}

export const rows = {
  entry: (id: string, bytes: Uint8Array) => put(`entry/${id}`, bytes),
  carrier: (id: string, { device, entries, at }: Carrier) =>
    put(
      `carrier/${id}`,
      encodeCbor({ device: fromHex(device), entries: entries.map(fromHex), at: at ?? null }),
    ),
  feed: (writer: number, { device, first, last, stands }: FeedExtent) =>
    put(`feed/${writer}`, encodeCbor([fromHex(device), first, last, stands])),
  void: (writer: number, seq: number) => put(`void/${writer}`, encodeCbor(seq)),
  epoch: (commit: string, { operation, stands }: EpochRecord) =>
    put(`epoch/${commit}/${operation.id}`, encodeCbor({ operation: encodeOperation(operation), stands })),
  name: (name: WorkspaceName) => put('name', encodeCbor(name)),
  tenure: (tenure: string) => put('tenure', fromHex(tenure)),
  heads: (heads: readonly AccessHead[]) =>
    put('heads', encodeCbor(heads.map(({ id, writer, seq }) => [fromHex(id), writer, seq]))),
}

/** What the rows say, by kind. */
export interface AccessRows {
  entries: Uint8Array[]
  carriers: Array<[string, Carrier]>
  feeds: Array<[number, FeedExtent]>
  voids: Array<[number, number]>
  epochs: Array<[string, EpochRecord]>
  name: WorkspaceName | undefined
  tenure: string | undefined
  heads: AccessHead[]
}

/** @throws {PeerfoldError} `INDEX_CORRUPT` */
export async function readRows(index: KeyValue, options?: AbortOptions): Promise<AccessRows> {
  const found: AccessRows = {
    entries: [],
    carriers: [],
    feeds: [],
    voids: [],
    epochs: [],
    name: undefined,
    tenure: undefined,
    heads: [],
  }
  for await (const [key, value] of index.iterator({ gte: PREFIX, lt: END })) {
    options?.signal?.throwIfAborted()
    try {
      readRow(found, key.slice(PREFIX.length).split('/'), value)
    } catch (cause) {
      throw new PeerfoldError('INDEX_CORRUPT', `row ${key} is unreadable`, { cause })
    }
  }
  return found
}

export async function clearRows(index: KeyValue): Promise<void> {
  await index.clear({ gte: PREFIX, lt: END })
}

function readRow(found: AccessRows, [kind, id = '']: string[], value: Uint8Array): void {
  if (kind === 'entry') found.entries.push(value)
  if (kind === 'tenure') found.tenure = toHex(value)
  if (kind === 'name') found.name = decodeCbor(value) as WorkspaceName
  if (kind === 'void') found.voids.push([Number(id), decodeCbor(value) as number])
  if (kind === 'carrier') {
    const { device, entries, at } = decodeCbor(value) as {
      device: Uint8Array
      entries: Uint8Array[]
      at: Carrier['at']
    }
    found.carriers.push([id, { device: toHex(device), entries: entries.map(toHex), at: at ?? undefined }])
  }
  if (kind === 'feed') {
    const [device, first, last, stands] = decodeCbor(value) as [Uint8Array, number, number, number]
    found.feeds.push([Number(id), { device: toHex(device), first, last, stands }])
  }
  if (kind === 'epoch') {
    const { operation, stands } = decodeCbor(value) as { operation: AccessOperation; stands: boolean }
    const [decoded] = decodeOperations([operation])
    if (decoded?.type === 'epoch') found.epochs.push([id, { operation: decoded, stands }])
  }
  if (kind === 'heads') {
    const heads = decodeCbor(value) as Array<[Uint8Array, number, number]>
    found.heads = heads.map(([head, writer, seq]) => ({ id: toHex(head), writer, seq }))
  }
}

function put(key: string, value: Uint8Array): IndexBatch[number] {
  return { type: 'put', key: PREFIX + key, value }
}
