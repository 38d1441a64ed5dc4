import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { withLock } from '../lock.mjs'

describe('withLock', () => {
  let directory: string
  let path: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'peerfold-lock-'))
    path = join(directory, 'nested', 'a.lock')
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  test('lets one in at a time', async () => {
    const order: string[] = []
    const enter = (name: string) =>
      withLock(
        path,
        async () => {
          order.push(`${name} in`)
          await new Promise((resolve) => setImmediate(resolve))
          order.push(`${name} out`)
        },
        { pause: 1 },
      )
    await Promise.all([enter('a'), enter('b'), enter('c')])
    for (let i = 0; i < order.length; i += 2) expect(order[i + 1]).toBe(order[i]!.replace('in', 'out'))
    expect(order).toHaveLength(6)
  })

  test('is free again after a failure', async () => {
    await expect(withLock(path, () => Promise.reject(new Error('boom')))).rejects.toThrow('boom')
    expect(existsSync(path)).toBe(false)
  })

  test('takes over from a process that died', async () => {
    const dead = join(directory, 'dead.lock')
    // Above the largest process id that Linux gives.
    writeFileSync(dead, String(2 ** 22 + 1))
    let ran = false
    await withLock(dead, () => {
      ran = true
    })
    expect(ran).toBe(true)
  })

  test('gives up at its deadline, naming the file', async () => {
    const held = join(directory, 'held.lock')
    writeFileSync(held, String(process.pid))
    await expect(withLock(held, () => {}, { deadline: 0, pause: 1 })).rejects.toThrow(held)
    expect(existsSync(held)).toBe(true)
  })
})
