import { equalBytes, toHex } from '../encoding/bytes.js'
import { type ErrorCode, isPeerfoldError, type PeerfoldError } from '../errors.js'

/** Assertions built on nothing but errors, so that conformance suites run under any test runner. */
export class AssertionFailed extends Error {
  override readonly name = 'AssertionFailed'
}

export function fail(message: string): never {
  throw new AssertionFailed(message)
}

export function assertTrue(condition: boolean, message: string): asserts condition {
  if (!condition) fail(message)
}

/** Deep equality of plain data: primitives, bytes, arrays, plain objects, and whatever has its own `equals`. */
export function assertEqual<T>(actual: T, expected: T, message = 'values differ'): void {
  if (!same(actual, expected)) fail(`${message}: expected ${show(expected)}, got ${show(actual)}`)
}

/** Fails unless `promise` rejects; returns what it rejected with. */
export async function assertRejects(promise: Promise<unknown>, message = 'should reject'): Promise<unknown> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  if ('error' in outcome) return outcome.error
  return fail(`${message}, but gave ${show(outcome.value)}`)
}

/** Fails unless `promise` rejects with a `PeerfoldError` of this code; returns it. */
export async function assertCode(promise: Promise<unknown>, code: ErrorCode): Promise<PeerfoldError> {
  const error = await assertRejects(promise, `should reject with ${code}`)
  if (isPeerfoldError(error, code)) return error
  return fail(`expected ${code}, got ${show(error)}`)
}

/** Fails unless `call`, given an already aborted signal, rejects with that signal's very reason. */
export async function assertAborts(call: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const reason = new Error('aborted by the test')
  const error = await assertRejects(call(AbortSignal.abort(reason)), 'an aborted call should reject')
  assertTrue(error === reason, `should reject with the signal's reason, got ${show(error)}`)
}

/** Collects an async iterable. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && equalBytes(a, b)
  }
  if ('equals' in a && typeof a.equals === 'function') return a.equals(b) === true
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every(
    (key) => key in b && same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  )
}

function show(value: unknown): string {
  if (value instanceof Uint8Array) return `0x${toHex(value.subarray(0, 64))} (${value.length} bytes)`
  if (value instanceof Error) return `${value.name}: ${value.message}`
  if (typeof value === 'string') return JSON.stringify(value)
  try {
    return JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}n` : v)) ?? String(value)
  } catch {
    return String(value)
  }
}
