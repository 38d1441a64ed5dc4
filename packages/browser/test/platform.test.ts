import { describe, expect, test } from 'vitest'

/** What core offers must load where there is neither Node nor anything that Node alone has. */
describe('in a page', () => {
  test.each([
    ['@peerfold/core', () => import('@peerfold/core'), 'PeerfoldError'],
    ['@peerfold/core/platform', () => import('@peerfold/core/platform'), 'createWebCrypto'],
    ['@peerfold/core/net', () => import('@peerfold/core/net'), 'createNetwork'],
    ['@peerfold/core/testing', () => import('@peerfold/core/testing'), 'networkSuite'],
    ['@peerfold/browser', () => import('@peerfold/browser'), 'openPeerfold'],
  ])('%s loads', async (_, load, name) => {
    expect(globalThis.process?.versions?.node).toBeUndefined()
    expect(await load()).toHaveProperty(name)
  })
})
