import * as dagCbor from '@ipld/dag-cbor'
import { type ErrorCode, PeerfoldError } from '../errors.js'
import { equalBytes } from './bytes.js'

/** Canonical DAG-CBOR (PROTOCOL.md §1): one value has one encoding, so bytes can be signed and hashed. */
export function encodeCbor(value: unknown): Uint8Array {
  return dagCbor.encode(value)
}

/**
 * Strict decoding: whatever would not encode to the very same bytes again (duplicate or unsorted keys, long forms, trailing
 * bytes, floats for integers) is refused. The result is not checked for shape.
 *
 * @throws {PeerfoldError} `code`, default `MESSAGE_INVALID`
 */
export function decodeCbor(bytes: Uint8Array, code: ErrorCode = 'MESSAGE_INVALID'): unknown {
  let value: unknown
  let again: Uint8Array
  try {
    value = dagCbor.decode(bytes)
    again = dagCbor.encode(value)
  } catch (cause) {
    throw new PeerfoldError(code, 'not DAG-CBOR', { cause })
  }
  if (!equalBytes(bytes, again)) throw new PeerfoldError(code, 'not canonical DAG-CBOR')
  return value
}
