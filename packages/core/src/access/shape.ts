import { type ErrorCode, PeerfoldError } from '../errors.js'

/** Reads decoded CBOR with its shape checked: everything from outside passes here before it is believed. */
export interface Shape {
  /** A map with exactly these keys. */
  map<K extends string>(value: unknown, keys: readonly K[]): Record<K, unknown>
  /** At most `max` elements. */
  list(value: unknown, max: number): unknown[]
  /** Exactly `length` bytes. */
  bytes(value: unknown, length: number): Uint8Array
  /** `min` to `max` bytes. */
  blob(value: unknown, max: number, min?: number): Uint8Array
  /** At most `max` UTF-16 units, not empty. */
  text(value: unknown, max: number): string
  uint(value: unknown, max?: number): number
  /** Refuses every other version with `PROTOCOL_UNSUPPORTED`. */
  version(value: unknown, known: number): void
  fail(reason: string): never
}

/** Shape checks whose errors have this code and name this thing. */
export function shapeOf(code: ErrorCode, what: string): Shape {
  const fail = (reason: string): never => {
    throw new PeerfoldError(code, `${what}: ${reason}`)
  }
  const blob = (value: unknown, max: number, min = 0): Uint8Array => {
    if (!(value instanceof Uint8Array)) return fail('bytes expected')
    if (value.length < min || value.length > max) return fail(`${value.length} bytes`)
    return value
  }
  return {
    fail,
    blob,
    bytes: (value, length) => blob(value, length, length),
    map: (value, keys) => {
      if (
        typeof value !== 'object' ||
        value === null ||
        Array.isArray(value) ||
        value instanceof Uint8Array
      ) {
        return fail('map expected')
      }
      const found = Object.keys(value)
      if (found.length !== keys.length || !keys.every((key) => Object.hasOwn(value, key))) {
        return fail(`fields ${keys.join(', ')} expected`)
      }
      return value as Record<(typeof keys)[number], unknown>
    },
    list: (value, max) => {
      if (!Array.isArray(value)) return fail('list expected')
      return value.length > max ? fail(`more than ${max} elements`) : value
    },
    text: (value, max) => {
      if (typeof value !== 'string' || value.length === 0 || value.length > max) return fail('text expected')
      return value
    },
    uint: (value, max = Number.MAX_SAFE_INTEGER) => {
      if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
        return fail('number expected')
      }
      return value
    },
    version: (value, known) => {
      if (value === known) return
      if (typeof value !== 'number') fail('version expected')
      throw new PeerfoldError('PROTOCOL_UNSUPPORTED', `${what}: version ${String(value)} is not known`)
    },
  }
}
