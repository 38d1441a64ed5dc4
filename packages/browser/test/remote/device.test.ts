import { type Invite, isPeerfoldError, type Status } from '@peerfold/core'
import { describe, expect, test } from 'vitest'
import { connected, until } from './connected.js'

describe('a device, used over messages', () => {
  test('shows who it is without asking', async () => {
    await using world = await connected()
    const { client, device } = world
    expect(client.hasIdentity).toBe(true)
    expect(client.device).toEqual(device.device)
    expect(client.device).toBe(client.device)
    expect(client.status.value).toEqual(device.status.value)
    expect(client.relays.list()).toEqual([])
  })

  test('has an identity as soon as it was made, for every client', async () => {
    await using world = await connected(0)
    const { client, device } = world
    const other = await world.connect()
    expect(client.hasIdentity).toBe(false)
    expect(() => client.device).toThrow(expect.objectContaining({ code: 'NO_IDENTITY' }))
    expect(() => client.status).toThrow(expect.objectContaining({ code: 'NO_IDENTITY' }))
    const { phrase } = await client.identity.create({ name: 'laptop' })
    expect(phrase.split(' ')).toHaveLength(24)
    expect(client.device).toEqual({ ...device.device, name: 'laptop' })
    expect(client.status.value.device.name).toBe('laptop')
    await until(() => other.hasIdentity)
    expect(other.device).toEqual(client.device)
    await other.close()
  })

  test('tells of each change of its status, with the same object until then', async () => {
    await using world = await connected()
    const { client } = world
    const seen: Status[] = []
    const stop = client.status.subscribe((status) => seen.push(status))
    expect(seen).toEqual([client.status.value])
    await client.workspaces.create('notes')
    await until(() => client.status.value.workspaces.length === 1)
    expect(seen.at(-1)).toBe(client.status.value)
    expect(new Set(seen).size).toBe(seen.length)
    stop()
    const told = seen.length
    await client.workspaces.create('more')
    await until(() => client.status.value.workspaces.length === 2)
    expect(seen).toHaveLength(told)
  })

  test('lists, opens and forgets workspaces', async () => {
    await using world = await connected()
    const { client } = world
    const notes = await client.workspaces.create('notes')
    expect(notes.name).toBe('notes')
    expect(await client.workspaces.list()).toEqual([{ id: notes.id, name: 'notes' }])
    expect((await client.workspaces.open('notes')).id).toBe(notes.id)
    await client.workspaces.forget(notes.id)
    expect(await client.workspaces.list()).toEqual([])
    await expect(client.workspaces.open('notes')).rejects.toMatchObject({ code: 'WORKSPACE_NOT_FOUND' })
    await expect(notes.stat('a')).rejects.toMatchObject({ code: 'WORKSPACE_NOT_FOUND' })
  })

  test('invites and is joined by another device', async () => {
    await using world = await connected()
    const { client, peers } = world
    await using invite = await client.devices.invite()
    expect(invite.ticket).toMatch(/^peerfold:/)
    expect(invite.expires).toBeInstanceOf(Date)
    const desktop = await peers.add()
    const [joined] = await Promise.all([invite.accepted(), desktop.devices.join(invite.ticket)])
    expect(joined.id).toBe(desktop.device.id)
    const devices = await client.devices.list()
    expect(devices.map(({ id }) => id).sort()).toEqual([client.device.id, desktop.device.id].sort())
    await client.devices.revoke(desktop.device.id)
    expect((await client.devices.list()).find(({ id }) => id === desktop.device.id)?.state).toBe('revoked')
  })

  test('withdraws the invitation of a client that closed it, and of one that went', async () => {
    await using world = await connected()
    const { client, device, peers } = world
    const invite = await client.devices.invite()
    const accepted = invite.accepted()
    await Promise.all([expect(accepted).rejects.toMatchObject({ code: 'CLOSED' }), invite.close()])
    const desktop = await peers.add()
    await expect(desktop.devices.join(invite.ticket)).rejects.toSatisfy(isPeerfoldError)
    const other = await world.connect()
    const { invite: makeInvite } = device.devices
    let made: Invite | undefined
    device.devices.invite = async (options) => {
      made = await makeInvite(options)
      return made
    }
    await other.devices.invite()
    await other.close()
    await expect(made?.accepted()).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('is joined to a user by ticket from a client', async () => {
    await using world = await connected(1)
    const { client } = world
    await using other = await connected(0)
    // Two hubs never meet: the ticket is refused for want of a way, as a PeerfoldError that says so.
    await using invite = await client.devices.invite()
    await expect(other.client.devices.join(invite.ticket)).rejects.toMatchObject({ code: 'DIAL_FAILED' })
    await expect(other.client.devices.join('peerfold:nonsense')).rejects.toMatchObject({
      code: 'TICKET_INVALID',
    })
  })

  test('uses relays, which clients can list at once', async () => {
    await using world = await connected()
    const { client, peers } = world
    const relay = (await peers.add()).relays
    expect(relay.list()).toEqual([])
    await expect(client.relays.add('nonsense')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    const peer = client.device.peer
    await client.relays.add(`/memory/relay/p2p/${peer}`)
    expect(client.relays.list().map((each) => each.peer)).toEqual([peer])
    await client.relays.remove(peer)
    expect(client.relays.list()).toEqual([])
  })

  test('has no folders, as a device without a disk', async () => {
    await using world = await connected()
    const { client, device } = world
    const refusal = await device.folders.check('/x').catch((error: unknown) => error)
    await expect(client.folders.check('/x')).rejects.toEqual(refusal)
    await expect(client.workspaces.export('x', '/x')).rejects.toEqual(refusal)
    expect(client.folders.list()).toEqual([])
  })

  test('hands errors on with all they say', async () => {
    await using world = await connected()
    const { client, device } = world
    const original = await device.workspaces.open('none').catch((error: unknown) => error)
    const copy = await client.workspaces.open('none').catch((error: unknown) => error)
    expect(copy).toSatisfy(isPeerfoldError)
    expect({ ...(copy as object) }).toEqual({ ...(original as object) })
    expect((copy as Error).message).toBe((original as Error).message)
  })

  test('takes a call back with the reason of its signal', async () => {
    await using world = await connected(2)
    const { client, peers } = world
    peers.hub.partition(peers.devices.map(({ device }) => [device.peer]))
    const notes = await client.workspaces.create('notes')
    await notes.write('a', 'a')
    const reason = new Error('no longer wanted')
    const controller = new AbortController()
    const waiting = notes.durable({ copies: 2, signal: controller.signal })
    setTimeout(() => controller.abort(reason), 20)
    await expect(waiting).rejects.toBe(reason)
    await expect(client.settled({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('goes on when a client closes', async () => {
    await using world = await connected()
    const { device } = world
    const client = await world.connect()
    const notes = await client.workspaces.create('notes')
    await client.close()
    await client.close()
    await expect(client.workspaces.list()).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(notes.stat('')).rejects.toMatchObject({ code: 'CLOSED' })
    expect(await device.workspaces.list()).toHaveLength(1)
  })

  test('that ends fails what is under way, and what comes after', async () => {
    await using world = await connected()
    const notes = await world.client.workspaces.create('notes')
    const watching = notes.watch('')[Symbol.asyncIterator]().next()
    const failed = expect(watching).rejects.toMatchObject({ code: 'NOT_CONNECTED', retryable: true })
    world.stop()
    await failed
    await expect(notes.stat('')).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
  })
})
