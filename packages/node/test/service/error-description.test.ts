import { access } from 'node:fs/promises'
import { FileSystemError, PeerfoldError } from '@peerfold/core'
import { expect, test } from 'vitest'
import { describeError } from '../../src/service/error-description.js'

test('what the system refused is no bug of ours', async () => {
  const refused = await access('/no/such').catch((error: unknown) => error)
  const codes = [
    refused,
    new FileSystemError('EACCES', '/a'),
    new FileSystemError('ENOSPC', '/a'),
    new PeerfoldError('BUSY', 'busy'),
    new TypeError('ours'),
    'thrown',
  ].map((error) => describeError(error).code)
  expect(codes).toEqual(['IO_FAILED', 'IO_FAILED', 'STORE_FULL', 'BUSY', 'INTERNAL', 'INTERNAL'])
})
