import type { Blockstore } from 'interface-blockstore'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { toIpfsBlockstore } from '../../src/testing/ipfs-blockstore.js'
import { MemoryBlockStore } from '../../src/testing/memory-block-store.js'

// The compliance suite expects mocha's globals.
Object.assign(globalThis, { describe, it: test, beforeEach, afterEach })
const { interfaceBlockstoreTests } = await import('interface-blockstore-tests')

describe('interface-blockstore compliance of the memory block store', () => {
  interfaceBlockstoreTests({
    setup: (): Blockstore => toIpfsBlockstore(new MemoryBlockStore()),
    teardown: () => {},
  })
})
