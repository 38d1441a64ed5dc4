import { describe, expect, test } from 'vitest'
import { ERROR_CODES, isPeerfoldError, PeerfoldError } from '../src/errors.js'

describe('PeerfoldError', () => {
  test.each(ERROR_CODES)('%s says what a person can do', (code) => {
    const error = new PeerfoldError(code, 'it failed')
    expect(error.hint.length).toBeGreaterThan(10)
    expect(error.name).toBe('PeerfoldError')
  })

  test('is recognised by its code', () => {
    const error: unknown = new PeerfoldError('NOT_FOUND', 'no such path')
    expect(isPeerfoldError(error)).toBe(true)
    expect(isPeerfoldError(error, 'NOT_FOUND')).toBe(true)
    expect(isPeerfoldError(error, 'CLOSED')).toBe(false)
    expect(isPeerfoldError(new Error('NOT_FOUND'))).toBe(false)
  })

  test('keeps its cause, and takes a nearer hint', () => {
    const cause = new Error('deeper')
    const error = new PeerfoldError('IO_FAILED', 'the disk refused', {
      cause,
      hint: 'Free some space.',
      retryable: false,
    })
    expect(error.cause).toBe(cause)
    expect(error.hint).toBe('Free some space.')
    expect(error.retryable).toBe(false)
  })
})
