import { randomBytes } from 'node:crypto'
import { cp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { contradict } from '@peerfold/core/relay'
import { describe, expect, it } from 'vitest'
import type { TestWorkspace } from './commits.js'
import { relayFixture } from './fixture.js'

const fixture = relayFixture()

/** A relay with one mailbox of some commits, closed again. */
async function filled(count = 6) {
  const at = await fixture.start()
  const { device, workspace, feed } = await fixture.mailbox(at)
  const commits = await feed.several(count)
  for (const commit of commits) await device.push(workspace.handle, [commit])
  const before = await device.verify(
    workspace.handle,
    (await device.read(workspace.handle, count + 1)).signed,
  )
  await device.close()
  await at.relay.close()
  return {
    directory: at.directory,
    workspace,
    ids: commits.map(({ id }) => id),
    before,
    commits,
  }
}

async function reopened(directory: string, workspace: TestWorkspace) {
  const at = await fixture.start({ directory })
  const device = await fixture.device(at)
  const { signed } = await device.open(workspace)
  return { at, device, said: await device.verify(workspace.handle, signed) }
}

async function logFile(directory: string): Promise<string> {
  const [name] = await readdir(join(directory, 'log'))
  return join(directory, 'log', name as string)
}

/** Flips a bit in the middle of the record that holds these bytes. */
async function damage(path: string, needle: Uint8Array): Promise<void> {
  const bytes = await readFile(path)
  const at = bytes.indexOf(needle)
  expect(at).toBeGreaterThan(0)
  const file = await open(path, 'r+')
  await file.write(new Uint8Array([(bytes[at + 40] as number) ^ 0x10]), 0, 1, at + 40)
  await file.close()
}

describe('after a restart (§10.9)', () => {
  it('everything is as before, under the same incarnation and key', async () => {
    const { directory, workspace, ids, before } = await filled()
    const { device, said } = await reopened(directory, workspace)
    expect(said).toMatchObject({
      relay: before.relay,
      incarnation: before.incarnation,
      next: 7,
      chain: before.chain,
    })
    expect(await device.readAll(workspace.handle)).toEqual(ids)
  })

  it('an index that was deleted is rebuilt: nobody can tell the difference', async () => {
    const { directory, workspace, ids, before, commits } = await filled()
    await rm(join(directory, 'index'), { recursive: true })
    const { device, said, at } = await reopened(directory, workspace)
    expect(said).toMatchObject({ incarnation: before.incarnation, next: 7, chain: before.chain })
    expect(await device.readAll(workspace.handle)).toEqual(ids)
    expect((await device.push(workspace.handle, commits)).next).toBe(7)
    expect(await at.relay.status()).toMatchObject({ mailboxes: 1, commits: 6 })
  })

  it('an index that is damaged is moved aside and rebuilt', async () => {
    const { directory, workspace, ids, before } = await filled()
    const index = join(directory, 'index')
    for (const name of await readdir(index)) {
      if (/^(MANIFEST|.*\.ldb|.*\.log)/.test(name)) await writeFile(join(index, name), randomBytes(4096))
    }
    const { device, said } = await reopened(directory, workspace)
    expect(said).toMatchObject({ incarnation: before.incarnation, chain: before.chain })
    expect(await device.readAll(workspace.handle)).toEqual(ids)
  })

  it('an index that is behind the log catches up', async () => {
    const { directory, workspace } = await filled()
    await cp(join(directory, 'index'), join(directory, 'older'), { recursive: true })
    const between = await reopened(directory, workspace)
    const more = await workspace.feed().several(3)
    const last = await between.device.push(workspace.handle, more)
    await between.at.relay.close()
    await rm(join(directory, 'index'), { recursive: true })
    await cp(join(directory, 'older'), join(directory, 'index'), { recursive: true })
    const { said } = await reopened(directory, workspace)
    expect(said).toMatchObject({ incarnation: last.incarnation, next: 10, chain: last.chain })
  })

  it('a torn tail is cut, and what was acknowledged before it is there', async () => {
    const { directory, workspace, ids, before } = await filled()
    const file = await open(await logFile(directory), 'a')
    await file.write(randomBytes(700))
    await file.close()
    const { device, said } = await reopened(directory, workspace)
    expect(said).toMatchObject({ incarnation: before.incarnation, chain: before.chain })
    expect(await device.readAll(workspace.handle)).toEqual(ids)
  })

  it('a record that is damaged is passed over, counted, and every mailbox begins anew', async () => {
    const { directory, workspace, ids, before, commits } = await filled()
    await damage(await logFile(directory), (commits[2] as (typeof commits)[2]).bytes)
    await rm(join(directory, 'index'), { recursive: true })
    const { at, device, said } = await reopened(directory, workspace)
    expect(said.incarnation).not.toBe(before.incarnation)
    expect(said.next).toBe(6)
    expect(contradict(said, before)).toBe(false)
    expect(at.service.counters().damagedRecords).toBe(1)
    expect(await device.readAll(workspace.handle)).toEqual(ids.filter((_, i) => i !== 2))
    const healed = await device.push(workspace.handle, commits)
    expect(healed.next).toBe(7)
    await at.relay.close()
    expect((await reopened(directory, workspace)).said).toMatchObject({
      incarnation: said.incarnation,
      next: 7,
      chain: healed.chain,
    })
  })

  it('a record that turns out to be damaged while it is read does the same', async () => {
    const { directory, workspace, ids, before, commits } = await filled()
    await damage(await logFile(directory), (commits[2] as (typeof commits)[2]).bytes)
    const { device, said } = await reopened(directory, workspace)
    expect(said.incarnation).toBe(before.incarnation)
    await expect(device.read(workspace.handle)).rejects.toMatchObject({ code: 'BUSY' })
    await device.until(() => device.changed.length > 0)
    const { signed } = await device.open(workspace)
    expect((await device.verify(workspace.handle, signed)).incarnation).not.toBe(before.incarnation)
    expect(await device.readAll(workspace.handle)).toEqual(ids.filter((_, i) => i !== 2))
    expect((await device.push(workspace.handle, commits)).next).toBe(7)
  })

  it('acknowledged commits that are gone from the end of the log are not gone in silence', async () => {
    const { directory, workspace, before } = await filled()
    const path = await logFile(directory)
    await truncate(path, (await stat(path)).size - 100)
    const { said } = await reopened(directory, workspace)
    expect(said.next).toBe(6)
    expect(said.incarnation).not.toBe(before.incarnation)
  })

  it('a log that is gone means mailboxes that are gone: registered again, they begin under other incarnations', async () => {
    const { directory, workspace, before, commits } = await filled()
    await rm(join(directory, 'log'), { recursive: true })
    const at = await fixture.start({ directory })
    const device = await fixture.device(at)
    await expect(device.open(workspace)).rejects.toMatchObject({ code: 'WORKSPACE_NOT_FOUND' })
    await device.register(workspace)
    await device.open(workspace)
    const said = await device.push(workspace.handle, commits)
    expect(said).toMatchObject({ relay: before.relay, next: 7 })
    expect(said.incarnation).not.toBe(before.incarnation)
  })

  it('an older disk shows: the same incarnation, with a lower next; the operator can say so instead', async () => {
    const at = await fixture.start()
    const { device, workspace } = await fixture.mailbox(at)
    const feed = workspace.feed()
    await device.push(workspace.handle, await feed.several(2))
    await at.relay.close()
    await cp(at.directory, `${at.directory}-backup`, { recursive: true })
    const between = await reopened(at.directory, workspace)
    const newest = await between.device.push(workspace.handle, [await feed.next()])
    await between.at.relay.close()
    await rm(at.directory, { recursive: true })
    await cp(`${at.directory}-backup`, at.directory, { recursive: true })
    await rm(`${at.directory}-backup`, { recursive: true })
    const lying = await reopened(at.directory, workspace)
    expect(lying.said).toMatchObject({ incarnation: newest.incarnation, next: newest.next - 1 })
    const other = await lying.device.push(workspace.handle, [await workspace.feed().next()])
    expect(other.next).toBe(newest.next)
    expect(contradict(other, newest)).toBe(true)
    await lying.at.relay.close()
    const honest = await fixture.start({ directory: at.directory, restored: true })
    const reader = await fixture.device(honest)
    const { signed } = await reader.open(workspace)
    expect((await reader.verify(workspace.handle, signed)).incarnation).not.toBe(newest.incarnation)
  })

  it('one process at a time; the key is for its owner only', async () => {
    const at = await fixture.start()
    await expect(fixture.start({ directory: at.directory })).rejects.toMatchObject({ code: 'HOME_LOCKED' })
    expect((await stat(join(at.directory, 'key'))).mode & 0o777).toBe(0o600)
    expect((await stat(at.directory)).mode & 0o777).toBe(0o700)
  })

  it('a start does not replay what the index knows', async () => {
    const { directory } = await filled(20)
    const at = await fixture.start({ directory })
    expect(at.logged.filter(({ level }) => level !== 'info')).toEqual([])
    expect(at.service.counters().damagedRecords).toBe(0)
  })
})
