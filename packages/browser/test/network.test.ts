import { createMemoryHub, createMemoryNetwork, networkSuite } from '@peerfold/core/testing'
import { describe, test } from 'vitest'

describe('the in-memory network in this browser', () => {
  networkSuite({ describe, test }, async () => {
    const hub = createMemoryHub()
    return [createMemoryNetwork(hub), createMemoryNetwork(hub)]
  })
})
