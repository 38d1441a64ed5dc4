import { networkSuite } from '@peerfold/core/testing'
import { describe, test } from 'vitest'
import { createLibp2pNetwork } from '../../src/net/create-libp2p-network.js'
import { testSeed } from './test-seed.js'

const carriers = { TCP: '/ip4/127.0.0.1/tcp/0', WebSocket: '/ip4/127.0.0.1/tcp/0/ws' }

for (const [carrier, listen] of Object.entries(carriers)) {
  describe(`libp2p over ${carrier}`, () => {
    const create = () => createLibp2pNetwork({ peerSeed: testSeed(), listen: [listen], mdns: false })
    networkSuite({ describe, test }, async () => [await create(), await create()])
  })
}
