import { contradict, hashOfStored } from '@peerfold/core/relay'
import { describe, expect, it } from 'vitest'
import { idBytes } from './commits.js'
import { relayFixture } from './fixture.js'

const fixture = relayFixture()

describe('a mailbox (§10.6)', () => {
  it('gives commits back in the order of their places, with a chain that adds up', async () => {
    const at = await fixture.start()
    const { device: author, workspace } = await fixture.mailbox(at)
    const reader = await fixture.device(at)
    const feeds = [workspace.feed(), workspace.feed()] as const
    const commits = [...(await feeds[0].several(3)), ...(await feeds[1].several(2))]
    const said = await author.push(workspace.handle, commits)
    expect(said).toMatchObject({ next: 6, relay: at.relay.peer, handle: workspace.handle })
    expect(said.stored).toEqual({ kind: 'commits', count: 5, hash: hashOfStored(idBytes(commits)) })
    const { role, heads } = await reader.open(workspace, 'pull')
    expect(role).toBe('pull')
    expect(heads.map(({ id }) => id).sort()).toEqual(
      [commits[2], commits[4]].map((commit) => commit?.id).sort(),
    )
    expect(await reader.readAll(workspace.handle)).toEqual(commits.map(({ id }) => id))
  })

  it('stores each commit once, however often it is pushed', async () => {
    const at = await fixture.start()
    const { device, workspace } = await fixture.mailbox(at)
    const commits = await workspace.feed().several(4)
    const first = await device.push(workspace.handle, commits.slice(0, 3))
    const again = await device.push(workspace.handle, [...commits, ...commits])
    expect([first.next, again.next]).toEqual([4, 5])
    expect(await device.readAll(workspace.handle)).toEqual(commits.map(({ id }) => id))
  })

  it('takes a push whole or not at all', async () => {
    const at = await fixture.start()
    const { device, workspace } = await fixture.mailbox(at)
    const feed = workspace.feed()
    const commits = await feed.several(3)
    const forged = { ...(commits[1] as (typeof commits)[1]), bytes: commits[1]!.bytes.slice() }
    forged.bytes[forged.bytes.length - 1]! ^= 1
    await expect(device.push(workspace.handle, [commits[0]!, forged, commits[2]!])).rejects.toMatchObject({
      code: 'COMMIT_INVALID',
    })
    const orphan = await workspace.feed().at(2, 'ab'.repeat(32))
    await expect(device.push(workspace.handle, [...commits, orphan])).rejects.toMatchObject({
      code: 'COMMIT_HELD',
    })
    expect((await device.read(workspace.handle)).envelopes).toEqual([])
    expect((await device.push(workspace.handle, commits)).next).toBe(4)
  })

  it('keeps all branches of a feed, and tells all of its ends', async () => {
    const at = await fixture.start()
    const { device, workspace } = await fixture.mailbox(at)
    const feed = workspace.feed()
    const first = await feed.next()
    const rivals = [await feed.at(2, first.id), await feed.at(2, first.id)]
    await device.push(workspace.handle, [first, ...rivals])
    const { heads } = await device.open(workspace)
    expect(new Set(heads.map(({ id }) => id))).toEqual(new Set(rivals.map(({ id }) => id)))
    expect(heads.every(({ seq }) => seq === 2)).toBe(true)
  })

  it('answers pushes that a device did not wait between in their order', async () => {
    const at = await fixture.start()
    const { device, workspace } = await fixture.mailbox(at)
    const commits = await workspace.feed().several(40)
    const pushes = commits.map((commit) => device.push(workspace.handle, [commit]))
    const said = await Promise.all(pushes)
    expect(said.map(({ next }) => next)).toEqual(commits.map((_, i) => i + 2))
    for (const one of said) for (const other of said) expect(contradict(one, other)).toBe(false)
  })

  it('tells every session that has it open that it grew', async () => {
    const at = await fixture.start()
    const { device: author, workspace } = await fixture.mailbox(at)
    const { device: elsewhere } = await fixture.mailbox(at)
    const reader = await fixture.device(at)
    await reader.open(workspace, 'pull')
    await author.push(workspace.handle, await workspace.feed().several(3))
    await reader.until(() => reader.changed.some(({ next }) => next === 4))
    expect(elsewhere.changed).toEqual([])
  })

  it('reads in parts that fit a message', async () => {
    const at = await fixture.start()
    const { device, workspace } = await fixture.mailbox(at)
    const commits = await workspace.feed().several(5, 200_000)
    for (const commit of commits) await device.push(workspace.handle, [commit])
    const first = await device.read(workspace.handle)
    expect(first.more).toBe(true)
    expect(first.envelopes.length).toBe(2)
    expect(await device.readAll(workspace.handle)).toEqual(commits.map(({ id }) => id))
  })
})
