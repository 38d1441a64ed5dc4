import { describe, test } from 'vitest'
import { keyValueSuite } from '../../src/testing/key-value-suite.js'
import { logStoreSuite } from '../../src/testing/log-store-suite.js'
import { createMemoryLogStore } from '../../src/testing/memory-log-store.js'
import { memoryDb } from './fixtures.js'

describe('in memory', () => {
  logStoreSuite({ describe, test }, async () => ({ store: createMemoryLogStore() }))
  keyValueSuite({ describe, test }, async () => ({ db: memoryDb() }))
})
