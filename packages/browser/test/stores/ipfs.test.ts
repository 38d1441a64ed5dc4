import type { BlockStore } from '@peerfold/core'
import { toIpfsBlockstore } from '@peerfold/core/testing'
import type { Blockstore } from 'interface-blockstore'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { openBlockStore } from '../tabs/level-block-store.js'
import { freshName } from './fresh-name.js'

// The compliance suite expects mocha's globals.
Object.assign(globalThis, { describe, it: test, beforeEach, afterEach })
const { interfaceBlockstoreTests } = await import('interface-blockstore-tests')

describe('interface-blockstore compliance of blocks in IndexedDB', () => {
  let store: BlockStore
  interfaceBlockstoreTests({
    setup: async (): Promise<Blockstore> => {
      store = await openBlockStore(freshName())
      return toIpfsBlockstore(store)
    },
    teardown: () => store.close(),
  })
})
