import { expect, test } from 'vitest'
import { reconcile } from '../src/device/reconcile.js'
import { item } from './items.js'

test('what did not change stays the very object that it was', () => {
  const before = [item('a'), item('b'), item('c')]
  const after = reconcile(before, [item('a'), item('b', { size: 5 }), item('d')])
  expect(after.map(({ path }) => path)).toEqual(['a', 'b', 'd'])
  expect(after[0]).toBe(before[0])
  expect(after[1]).not.toBe(before[1])
  expect(after[1]?.size).toBe(5)
})
