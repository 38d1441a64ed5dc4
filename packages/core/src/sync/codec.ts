import { fromHex, toHex } from '../encoding/bytes.js'
import { PeerfoldError } from '../errors.js'

/** A value in memory and its DAG-CBOR form. `decode` accepts nothing but what `encode` can return. */
export interface Codec<T> {
  encode(value: T): unknown
  /** @throws {PeerfoldError} `MESSAGE_INVALID`, naming the field */
  decode(value: unknown, path: string): T
}

export type Decoded<C> = C extends Codec<infer T> ? T : never

export function invalid(path: string, expected: string): PeerfoldError {
  return new PeerfoldError('MESSAGE_INVALID', `${path}: expected ${expected}`)
}

function leaf<T>(expected: string, accepts: (value: unknown) => boolean): Codec<T> {
  return {
    encode: (value) => value,
    decode: (value, path) => {
      if (!accepts(value)) throw invalid(path, expected)
      return value as T
    },
  }
}

export function bytes(least: number, most = least): Codec<Uint8Array> {
  const fits = (value: unknown) =>
    value instanceof Uint8Array && value.length >= least && value.length <= most
  return leaf(`${least} to ${most} bytes`, fits)
}

/** An id: hexadecimal text in memory, bytes on the wire. */
export function id(length = 32): Codec<string> {
  const raw = bytes(length)
  return { encode: (value) => fromHex(value), decode: (value, path) => toHex(raw.decode(value, path)) }
}

export function integer(least: number, most = Number.MAX_SAFE_INTEGER): Codec<number> {
  const fits = (value: unknown) =>
    Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most
  return leaf(`an integer from ${least} to ${most}`, fits)
}

export const bool: Codec<boolean> = leaf('true or false', (value) => typeof value === 'boolean')

/** @param most UTF-16 code units */
export function text(most: number, pattern?: RegExp): Codec<string> {
  const fits = (value: unknown) =>
    typeof value === 'string' && value.length <= most && (pattern === undefined || pattern.test(value))
  return leaf(`text of at most ${most} units`, fits)
}

/** `undefined` in memory, null on the wire. */
export function optional<T>(inner: Codec<T>): Codec<T | undefined> {
  return {
    encode: (value) => (value === undefined ? null : inner.encode(value)),
    decode: (value, path) => (value === null ? undefined : inner.decode(value, path)),
  }
}

export function list<T>(inner: Codec<T>, most: number, least = 0): Codec<T[]> {
  return {
    encode: (values) => values.map((value) => inner.encode(value)),
    decode: (value, path) => {
      if (!Array.isArray(value) || value.length < least || value.length > most) {
        throw invalid(path, `a list of ${least} to ${most}`)
      }
      return value.map((each, index) => inner.decode(each, `${path}[${index}]`))
    },
  }
}

type Fields = Record<string, Codec<never>>
type Values<F> = { [K in keyof F]: Decoded<F[K]> }

/** A map with exactly these keys. */
export function record<F extends Fields | Record<string, unknown>>(fields: F): Codec<Values<F>> {
  const entries = Object.entries(fields) as Array<[string, Codec<unknown>]>
  return {
    encode: (values) =>
      Object.fromEntries(entries.map(([key, codec]) => [key, codec.encode(values[key as keyof F])])),
    decode: (value, path) => {
      if (
        typeof value !== 'object' ||
        value === null ||
        Array.isArray(value) ||
        value instanceof Uint8Array
      ) {
        throw invalid(path, 'a map')
      }
      if (Object.keys(value).length !== entries.length) {
        throw invalid(path, `the keys ${entries.map(([key]) => key).join(', ')}`)
      }
      const decoded = entries.map(([key, codec]) => {
        if (!Object.hasOwn(value, key)) throw invalid(`${path}.${key}`, 'to be there')
        return [key, codec.decode((value as Record<string, unknown>)[key], `${path}.${key}`)]
      })
      return Object.fromEntries(decoded) as Values<F>
    },
  }
}
