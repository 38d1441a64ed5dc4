import { PeerfoldError } from '@peerfold/core'
import { systemClock } from '@peerfold/core/platform'
import { expect, test } from 'vitest'

test('core loads in a page', () => {
  expect(globalThis.document).toBeDefined()
  expect(new PeerfoldError('CLOSED', 'x')).toBeInstanceOf(Error)
  expect(systemClock.now()).toBeGreaterThan(0)
})
