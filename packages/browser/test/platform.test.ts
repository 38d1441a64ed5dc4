import { expect, test } from 'vitest'
import { ERROR_CODES, PeerfoldError } from '../../core/src/errors.js'

test('core loads in a page', () => {
  expect(globalThis.document).toBeDefined()
  expect(new PeerfoldError(ERROR_CODES[0]!, 'x')).toBeInstanceOf(Error)
})
