import { createTestPeers } from '@peerfold/core/testing'
import { describe, expect, test } from 'vitest'
import { collectInput } from '../src/transfers/collect.js'
import { applyAnswer, findCollisions, withoutSame } from '../src/transfers/collisions.js'

const TIME = 1_700_000_000_000

function file(name: string, content: string, lastModified = TIME): File {
  return new File([content], name, { lastModified })
}

async function openWorkspace() {
  const peers = await createTestPeers(1)
  const workspace = await peers.devices[0]!.workspaces.create('drive')
  return Object.assign(workspace, { [Symbol.asyncDispose]: () => peers[Symbol.asyncDispose]() })
}

const paths = (collected: { files: Array<{ path: string }> }) => collected.files.map(({ path }) => path)

describe('files that are there already', () => {
  test('are left alone when they are the same: an upload that was interrupted goes on where it was', async () => {
    await using workspace = await openWorkspace()
    await workspace.write('in/a.txt', 'one', { mtime: new Date(TIME) })
    const collected = collectInput([file('a.txt', 'one'), file('b.txt', 'two')])
    const collisions = await findCollisions(workspace, 'in', collected)
    expect(paths(withoutSame(collected, collisions))).toEqual(['b.txt'])
  })

  test('are found with another content, and nothing collides in a folder that is not there', async () => {
    await using workspace = await openWorkspace()
    await workspace.write('in/a.txt', 'one', { mtime: new Date(TIME) })
    const collected = collectInput([file('a.txt', 'other')])
    expect([...(await findCollisions(workspace, 'in', collected)).items.keys()]).toEqual(['a.txt'])
    expect((await findCollisions(workspace, 'elsewhere', collected)).items.size).toBe(0)
  })

  test('get a new version, a number, or nothing', async () => {
    await using workspace = await openWorkspace()
    await workspace.write('a.txt', 'one')
    await workspace.mkdir('a (2).txt')
    const collected = collectInput([file('a.txt', 'other'), file('a (3).txt', 'x'), file('b.txt', 'y')])
    const collisions = await findCollisions(workspace, '', collected)
    expect(paths(applyAnswer(collected, collisions, 'replace'))).toEqual(['a.txt', 'a (3).txt', 'b.txt'])
    expect(paths(applyAnswer(collected, collisions, 'skip'))).toEqual(['a (3).txt', 'b.txt'])
    // Neither what is there nor what comes along is overwritten.
    expect(paths(applyAnswer(collected, collisions, 'both'))).toEqual(['a (4).txt', 'a (3).txt', 'b.txt'])
  })
})
