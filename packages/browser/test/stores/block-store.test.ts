import { type Block, isPeerfoldError } from '@peerfold/core'
import { blockStoreSuite } from '@peerfold/core/testing'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, test } from 'vitest'
import { openLevel } from '../../src/stores/open-level.js'
import { openBlockStore } from '../tabs/level-block-store.js'
import { freshName } from './fresh-name.js'
import { changeStored, flipLastBit } from './raw-database.js'

async function blockOf(text: string): Promise<Block> {
  const bytes = new TextEncoder().encode(text)
  return { cid: CID.createV1(raw.code, await sha256.digest(bytes)), bytes }
}

const codeOf = (error: any) => (isPeerfoldError(error) ? error.code : error)

describe('blocks in IndexedDB', () => {
  blockStoreSuite({ describe, test }, async () => {
    const name = freshName()
    return {
      store: await openBlockStore(name),
      damage: (cid) => changeStored(name, `b${cid}`, flipLastBit),
      reopen: () => openBlockStore(name),
    }
  })

  test('a damaged block is never handed out; it is moved aside, and a new copy heals it', async () => {
    const name = freshName()
    const block = await blockOf('content')
    const store = await openBlockStore(name)
    await store.put([block])
    await changeStored(name, `b${block.cid}`, flipLastBit)
    expect(codeOf(await store.get(block.cid).catch((e: unknown) => e))).toBe('BLOCK_CORRUPT')
    expect(await store.has([block.cid])).toEqual([false])
    expect(codeOf(await store.get(block.cid).catch((e: unknown) => e))).toBe('BLOCK_NOT_FOUND')
    await store.put([block])
    expect(await store.get(block.cid)).toEqual(block.bytes)
    await store.close()

    const after = await openLevel(name)
    expect(await after.keys().all()).toEqual([`b${block.cid}`])
    await after.close()
  })

  test('a batch with one wrong block leaves nothing behind', async () => {
    const store = await openBlockStore(freshName())
    const [good, other] = await Promise.all([blockOf('good'), blockOf('other')])
    const wrong = { cid: other.cid, bytes: good.bytes }
    expect(codeOf(await store.put([good, wrong]).catch((e: unknown) => e))).toBe('BLOCK_CORRUPT')
    expect(await store.has([good.cid, other.cid])).toEqual([false, false])
    await store.close()
  })

  test('a name of another kind is refused', async () => {
    const store = await openBlockStore(freshName())
    const v0 = CID.createV0(await sha256.digest(new Uint8Array([1])))
    expect(codeOf(await store.get(v0).catch((e: unknown) => e))).toBe('INVALID_ARGUMENT')
    await store.close()
  })
})
