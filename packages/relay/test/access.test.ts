import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bundleId, proveAccess, proveRoot } from '@peerfold/core/relay'
import { describe, expect, it } from 'vitest'
import { crypto, randomId, TestWorkspace } from './commits.js'
import type { TestDevice } from './device.js'
import { relayFixture, shiftedClock } from './fixture.js'

const fixture = relayFixture()

async function refusal(task: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = await task.then(
    () => expect.unreachable('it was allowed'),
    (reason: { code: string; message: string }) => reason,
  )
  return { code: error.code, message: error.message }
}

function openWith(
  device: TestDevice,
  workspace: TestWorkspace,
  change: Partial<{ relay: string; device: string; nonce: Uint8Array; time: number; handle: string }>,
) {
  const { id, seeds } = workspace.current
  const claim = {
    handle: change.handle ?? workspace.handle,
    epoch: id,
    role: 'pull',
    time: change.time ?? device.welcome!.time,
  }
  const channel = {
    relay: change.relay ?? device.relay,
    device: change.device ?? device.peer,
    nonce: change.nonce ?? device.welcome!.nonce,
  }
  return proveAccess(crypto, seeds.pull, channel, claim).then((signature) =>
    device.ask({ type: 'open', ...claim, signature }),
  )
}

describe('access (§10.4)', () => {
  it('a proof is good for this device, at this relay, in this session, for a minute', async () => {
    const clock = shiftedClock()
    const [at, elsewhere] = [await fixture.start({ clock }), await fixture.start()]
    const workspace = new TestWorkspace()
    const [device, thief] = [await fixture.device(at), await fixture.device(at)]
    await device.register(workspace)
    const refused = { code: 'WORKSPACE_NOT_FOUND' }
    await expect(openWith(device, workspace, { device: thief.peer })).rejects.toMatchObject(refused)
    await expect(openWith(thief, workspace, { device: device.peer })).rejects.toMatchObject(refused)
    await expect(openWith(device, workspace, { relay: elsewhere.relay.peer })).rejects.toMatchObject(refused)
    const { nonce, time } = device.welcome!
    await device.openSession()
    await expect(openWith(device, workspace, { nonce })).rejects.toMatchObject(refused)
    await openWith(device, workspace, { time })
    clock.shift(61_000)
    await expect(openWith(device, workspace, { time })).rejects.toMatchObject({ code: 'TIMEOUT' })
    await openWith(device, workspace, { time: clock.now() })
    await expect(openWith(device, workspace, { time: clock.now() + 61_000 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    })
  })

  it('a stranger gets the same answer whether the mailbox exists or not', async () => {
    const at = await fixture.start()
    const [mine, nobodys] = [new TestWorkspace(), new TestWorkspace()]
    const [owner, stranger] = [await fixture.device(at), await fixture.device(at)]
    await owner.register(mine)
    const guess = new TestWorkspace()
    const answers = [
      await refusal(openWith(stranger, guess, { handle: mine.handle })),
      await refusal(openWith(stranger, guess, { handle: nobodys.handle })),
      await refusal(stranger.read(mine.handle)),
      await refusal(stranger.read(nobodys.handle)),
      await refusal(stranger.push(mine.handle, [await mine.feed().next()])),
      await refusal(stranger.push(nobodys.handle, [await nobodys.feed().next()])),
    ]
    for (const answer of answers) expect(answer).toEqual(answers[0])
    expect(answers[0]?.code).toBe('WORKSPACE_NOT_FOUND')
  })

  it('who holds only the pull key reads, and pushes nothing', async () => {
    const at = await fixture.start()
    const workspace = new TestWorkspace()
    const [owner, viewer] = [await fixture.device(at), await fixture.device(at)]
    await owner.register(workspace)
    await viewer.open(workspace, 'pull')
    const commit = await workspace.feed().next()
    await expect(viewer.push(workspace.handle, [commit])).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    await expect(viewer.offerDigests(workspace.handle, [new Uint8Array(32)])).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
    })
    expect(await viewer.readAll(workspace.handle)).toEqual([])
  })

  it('epochs form one chain, which only the control key of the current one goes on with', async () => {
    const at = await fixture.start()
    const workspace = new TestWorkspace()
    const device = await fixture.device(at)
    await device.register(workspace)
    await device.register(workspace)
    const first = workspace.current
    workspace.rotate()
    await expect(device.register(workspace, {}, workspace.current)).rejects.toMatchObject({
      code: 'WORKSPACE_NOT_FOUND',
    })
    await expect(device.register(workspace, { previous: randomId() })).rejects.toMatchObject({
      code: 'WORKSPACE_NOT_FOUND',
    })
    await expect(
      device.register(workspace, { previous: undefined }, workspace.current),
    ).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    })
    await device.register(workspace)
    await device.register(workspace)
    workspace.rotate()
    await expect(device.register(workspace, { previous: first.id }, first)).rejects.toMatchObject({
      code: 'VERSION_MISMATCH',
    })
    await device.register(workspace)
    expect((await device.open(workspace)).role).toBe('push')
  })

  it('who repeats an old registration changes nothing for those who hold the current keys', async () => {
    const at = await fixture.start()
    const workspace = new TestWorkspace()
    const [owner, removed] = [await fixture.device(at), await fixture.device(at)]
    await owner.register(workspace)
    const old = Object.assign(new TestWorkspace(), { handle: workspace.handle, epochs: [workspace.current] })
    workspace.rotate()
    await owner.register(workspace)
    await owner.open(workspace)
    await removed.register(old)
    expect((await owner.push(workspace.handle, [await workspace.feed().next()])).next).toBe(2)
    expect((await removed.open(old)).role).toBe('rotation')
    expect((await removed.readAll(workspace.handle)).length).toBe(0)
  })

  it('who holds older keys reads up to the rotation, gets no blocks, and pushes nothing', async () => {
    const at = await fixture.start()
    const workspace = new TestWorkspace()
    const [owner, away] = [await fixture.device(at), await fixture.device(at)]
    await owner.register(workspace)
    await owner.open(workspace)
    await away.open(workspace)
    const old = workspace.current
    const feed = workspace.feed()
    const before = await feed.several(2)
    await owner.push(workspace.handle, before)
    const rotation = await feed.next()
    workspace.rotate()
    await owner.register(workspace, { rotation: rotation.id })
    // What it had open is good for the rotation only, at once.
    await expect(away.push(workspace.handle, [rotation])).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    await owner.open(workspace)
    await owner.push(workspace.handle, [rotation, await feed.next()])
    await away.until(() => away.changed.some(({ next }) => next === 4))
    const opened = await away.open(workspace, 'pull', old)
    expect(opened).toMatchObject({ role: 'rotation', heads: [], epoch: old.id })
    const ids = [...before, rotation].map(({ id }) => id)
    expect(await away.readAll(workspace.handle)).toEqual(ids)
    expect((await away.read(workspace.handle, 4)).envelopes).toEqual([])
    expect(await away.verify(workspace.handle, opened.signed)).toMatchObject({ next: 4 })
    await expect(away.offerDigests(workspace.handle, [new Uint8Array(32)])).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
    })
    await expect(away.ask({ type: 'token' })).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    expect((await away.open(workspace)).role).toBe('push')
  })

  it('only whom the operator allows begins a mailbox; the list is read again when it changes', async () => {
    const at = await fixture.start({ open: false })
    const workspace = new TestWorkspace()
    const device = await fixture.device(at)
    await expect(device.register(workspace)).rejects.toMatchObject({ code: 'RELAY_REFUSED' })
    await writeFile(join(at.directory, 'allowed'), `# mine\n${device.peer} # the laptop\n`)
    await device.register(workspace)
    const other = await fixture.device(at)
    await expect(other.register(new TestWorkspace())).rejects.toMatchObject({ code: 'RELAY_REFUSED' })
    await other.register(workspace)
    expect((await other.open(workspace)).role).toBe('push')
  })

  it('tokens name the mailboxes that are open, and die with the keys', async () => {
    const clock = shiftedClock()
    const at = await fixture.start({ clock })
    const workspace = new TestWorkspace()
    const device = await fixture.device(at)
    await device.register(workspace)
    await device.open(workspace)
    const ticket = await device.ask({ type: 'token' })
    if (ticket.type !== 'ticket') throw new Error('no ticket')
    expect(ticket.urls).toEqual(['https://relay.example'])
    expect(at.service.tokens.check(ticket.token)).toMatchObject({ peer: device.peer })
    expect(at.service.tokens.check(ticket.token)?.handles.has(workspace.handle)).toBe(true)
    expect(at.service.tokens.check(`${ticket.token}x`)).toBeUndefined()
    workspace.rotate()
    await device.register(workspace)
    expect(at.service.tokens.check(ticket.token)?.handles.has(workspace.handle)).toBe(false)
    clock.shift(15 * 60_000)
    expect(at.service.tokens.check(ticket.token)).toBeUndefined()
  })
})

describe('recovery bundles (§10.7)', () => {
  it('are kept one for each device, and given to who proves the root key', async () => {
    const at = await fixture.start()
    const workspace = new TestWorkspace()
    const rootSeed = new Uint8Array(32).fill(7)
    const root = crypto.publicKey(rootSeed)
    const [one, two] = [await fixture.device(at), await fixture.device(at)]
    await one.register(workspace)
    await expect(
      one.ask({ type: 'keep', id: bundleId(root), bundle: new Uint8Array([1]) }),
    ).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    await one.open(workspace)
    await two.open(workspace)
    const largest = new Uint8Array(4 * 1024 * 1024).fill(1)
    await one.ask({ type: 'keep', id: bundleId(root), bundle: new Uint8Array([9]) })
    await one.ask({ type: 'keep', id: bundleId(root), bundle: largest })
    await two.ask({ type: 'keep', id: bundleId(root), bundle: new Uint8Array([2]) })
    await at.relay.close()
    const again = await fixture.start({ directory: at.directory })
    const lost = await fixture.device(again)
    const { time, nonce } = lost.welcome!
    const channel = { relay: lost.relay, device: lost.peer, nonce }
    const signature = await proveRoot(crypto, rootSeed, channel, time)
    const n = lost.post({ type: 'recover', root, time, signature })
    const bundles = [await lost.answer(n), await lost.answer(n)]
    expect(
      bundles.map((bundle) => (bundle.type === 'bundle' ? [bundle.more, bundle.bytes?.length] : [])),
    ).toEqual(
      expect.arrayContaining([
        [expect.any(Number), largest.length],
        [expect.any(Number), 1],
      ]),
    )
    expect(bundles.map((bundle) => bundle.type === 'bundle' && bundle.more)).toEqual([1, 0])
    const other = crypto.publicKey(new Uint8Array(32).fill(8))
    await expect(lost.ask({ type: 'recover', root: other, time, signature })).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
    })
    const none = await proveRoot(crypto, new Uint8Array(32).fill(8), channel, time)
    expect(await lost.ask({ type: 'recover', root: other, time, signature: none })).toMatchObject({
      bytes: undefined,
      more: 0,
    })
    expect(await readFile(join(at.directory, 'bundles', bundleId(root), two.peer))).toEqual(Buffer.from([2]))
  })
})
