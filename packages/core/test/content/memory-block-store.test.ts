import { describe, test } from 'vitest'
import { blockStoreSuite } from '../../src/testing/block-store-suite.js'
import { MemoryBlockStore } from '../../src/testing/memory-block-store.js'

describe('memory block store', () =>
  blockStoreSuite({ describe, test }, async () => {
    const store = new MemoryBlockStore()
    return { store, damage: (cid) => store.damage(cid) }
  }))
