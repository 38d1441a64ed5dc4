import { execFile } from 'node:child_process'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { fileSystemSuite } from '../../../core/src/testing/file-system-suite.js'
import { createNodeFileSystem } from '../../src/file-system/node-file-system.js'

const files = createNodeFileSystem()

async function directory(): Promise<{ root: string } & AsyncDisposable> {
  const root = await fs.mkdtemp(join(tmpdir(), 'peerfold-fs-'))
  return { root, [Symbol.asyncDispose]: () => fs.rm(root, { recursive: true, force: true }) }
}

fileSystemSuite({ describe, test }, async () => {
  const { root } = await directory()
  return { files, root, close: () => fs.rm(root, { recursive: true, force: true }) }
})

describe('the file system of Node', () => {
  test('tells of names that are not UTF-8', async () => {
    await using at = await directory()
    await fs.writeFile(Buffer.concat([Buffer.from(`${at.root}/bad-`), Buffer.from([0xff, 0xfe])]), 'x')
    await fs.writeFile(join(at.root, 'good'), 'x')
    const entries = await files.readdir(at.root)
    expect(entries.filter((entry) => entry.addressable).map((entry) => entry.name)).toEqual(['good'])
    expect(entries.length).toBe(2)
  })

  test('does not block on a FIFO, nor take it for a file', async () => {
    await using at = await directory()
    await promisify(execFile)('mkfifo', [join(at.root, 'fifo')])
    expect((await files.lstat(join(at.root, 'fifo'))).type).toBe('other')
    const handle = await files.openRead(join(at.root, 'fifo'))
    expect((await handle.stat()).type).toBe('other')
    await handle.close()
  })

  test('says whether it could share blocks, and copies nothing otherwise', async () => {
    await using at = await directory()
    await fs.writeFile(join(at.root, 'a'), 'content')
    const shared = await files.reflink(join(at.root, 'a'), join(at.root, 'b'))
    const there = await fs.readFile(join(at.root, 'b'), 'utf8').catch(() => undefined)
    expect(there).toBe(shared ? 'content' : undefined)
  })
})
