import { isPeerfoldError } from '@peerfold/core'
import { describe, expect, test } from 'vitest'
import { openKeyValue } from '../../src/stores/key-value.js'
import { openLogStore } from '../../src/stores/log-store.js'
import { compact, openLevel } from '../../src/stores/open-level.js'
import { openBlockStore } from '../tabs/level-block-store.js'
import { freshName } from './fresh-name.js'

describe('a database', () => {
  test.each([
    ['key-value store', openKeyValue],
    ['log', openLogStore],
    ['block store', openBlockStore],
  ])('belongs to one holder: %s', async (_, open) => {
    const name = freshName()
    const first = await open(name)
    const error: unknown = await open(name, { lockWait: 20 }).catch((e: unknown) => e)
    expect(isPeerfoldError(error, 'HOME_LOCKED')).toBe(true)
    await first.close()
    const second = await open(name)
    await second.close()
  })

  test('stops waiting for its holder when the caller gives up', async () => {
    const name = freshName()
    const first = await openKeyValue(name)
    const reason = new Error('enough')
    const controller = new AbortController()
    const opening = openKeyValue(name, { signal: controller.signal })
    controller.abort(reason)
    expect(await opening.catch((e: unknown) => e)).toBe(reason)
    expect(await openLogStore(name, { signal: AbortSignal.abort(reason) }).catch((e: unknown) => e)).toBe(
      reason,
    )
    await first.close()
    await (await openKeyValue(name)).close()
  })

  test('has a name', async () => {
    const error: unknown = await openKeyValue('').catch((e: unknown) => e)
    expect(isPeerfoldError(error, 'INVALID_ARGUMENT')).toBe(true)
  })

  test('writes durably: each transaction asks the disk', async () => {
    const level = await openLevel(freshName())
    const { db } = level as unknown as { db: IDBDatabase }
    const transaction = db.transaction([level.location], 'readwrite')
    expect(transaction.durability).toBe('strict')
    await level.close()
  })

  test('stores a part of a buffer without the rest of it', () => {
    const part = new Uint8Array(1_000).subarray(10, 20)
    expect(compact(part).buffer.byteLength).toBe(10)
    const whole = new Uint8Array(10)
    expect(compact(whole)).toBe(whole)
  })

  test('keeps what was written for the next opening', async () => {
    const name = freshName()
    const first = await openKeyValue(name)
    await first.put('a', new Uint8Array([1, 2, 3]).subarray(1))
    await first.close()
    const second = await openKeyValue(name)
    expect(await second.get('a')).toEqual(new Uint8Array([2, 3]))
    await second.close()
  })
})
