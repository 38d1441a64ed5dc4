import { PeerfoldError } from '../errors.js'

/** Checks of decoded values, for the formats of this layer. All throw `COMMIT_INVALID`. */

export function invalid(what: string, cause?: unknown): PeerfoldError {
  return new PeerfoldError('COMMIT_INVALID', `commit: ${what}`, { cause })
}

export function asList(value: unknown, max: number, what: string): unknown[] {
  if (!Array.isArray(value) || value.length > max) throw invalid(`${what} is not a list of at most ${max}`)
  return value
}

export function asUint(value: unknown, what: string, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max) return value
  throw invalid(`${what} is not an integer from 0 to ${max}`)
}

export function asBytes(value: unknown, what: string, max: number): Uint8Array {
  if (value instanceof Uint8Array && value.length <= max) return value
  throw invalid(`${what} is not at most ${max} bytes`)
}

export function asHash(value: unknown, what: string): Uint8Array {
  if (value instanceof Uint8Array && value.length === 32) return value
  throw invalid(`${what} is not 32 bytes`)
}

export function asMap(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)) {
    return value as Record<string, unknown>
  }
  throw invalid(`${what} is not a map`)
}
