import { randomBytes } from 'node:crypto'
import { mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyValueSuite, logStoreSuite } from '@peerfold/core/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { openKeyValue } from '../../src/stores/key-value.js'
import { openFileLogStore } from '../../src/stores/log-store/index.js'

const directories: string[] = []

async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'peerfold-stores-'))
  directories.push(directory)
  return directory
}

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true })
})

describe('segments on disk', () => {
  logStoreSuite({ describe, test }, async () => {
    const directory = await temporary()
    return { store: await openFileLogStore(directory), reopen: () => openFileLogStore(directory) }
  })
})

describe('small segments on disk', () => {
  logStoreSuite({ describe, test }, async () => {
    const directory = await temporary()
    const reopen = () => openFileLogStore(directory, { segmentBytes: 100 })
    return { store: await reopen(), reopen }
  })
})

describe('LevelDB', () => {
  keyValueSuite({ describe, test }, async () => {
    const directory = await temporary()
    return { db: await openKeyValue(directory), reopen: () => openKeyValue(directory) }
  })

  test('says that the home is in use', async () => {
    const directory = await temporary()
    const db = await openKeyValue(directory)
    await expect(openKeyValue(directory)).rejects.toMatchObject({ code: 'HOME_LOCKED' })
    await db.close()
  })

  test.each(['CURRENT', 'MANIFEST'])(
    'moves a database with a damaged %s aside and opens empty',
    async (part) => {
      const directory = join(await temporary(), 'index')
      const db = await openKeyValue(directory)
      await db.put('k', Uint8Array.of(1))
      await db.close()
      const name = (await readdir(directory)).find((file) => file.startsWith(part)) as string
      await writeFile(join(directory, name), 'rubbish')
      const told: string[] = []
      const again = await openKeyValue(directory, { onDamage: ({ code }) => told.push(code) })
      expect(await again.get('k')).toBeUndefined()
      expect(told).toEqual(['INDEX_CORRUPT'])
      expect((await readdir(join(directory, '..'))).some((file) => file.includes('.damaged-'))).toBe(true)
      await again.close()
    },
  )

  test('never hands out a value with flipped bits', async () => {
    const directory = await temporary()
    const db = await openKeyValue(directory)
    await db.put('k', randomBytes(3000))
    await (db as unknown as { compactRange(from: string, to: string): Promise<void> }).compactRange('a', 'z')
    await db.close()
    const table = (await readdir(directory)).find((file) => file.endsWith('.ldb')) as string
    const handle = await open(join(directory, table), 'r+')
    await handle.write(Uint8Array.of(1, 2, 3), 0, 3, 400)
    await handle.close()
    const again = await openKeyValue(directory)
    await expect(again.get('k')).rejects.toThrow()
    await again.close()
  })
})
