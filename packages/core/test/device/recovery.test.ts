import { describe, expect, test } from 'vitest'
import { createTestPeers } from '../../src/testing/test-peers.js'

describe('recovery from the phrase', () => {
  test('makes a new device of the same user, which a ticket then brings to the others', async () => {
    await using peers = await createTestPeers(0)
    const laptop = await peers.add()
    const { phrase } = await laptop.identity.create({ name: 'laptop' })
    const notes = await laptop.workspaces.create('notes')
    await notes.write('a.txt', 'kept')
    const replacement = await peers.add()
    await replacement.identity.recover(phrase, { name: 'replacement' })
    expect(replacement.device.user).toBe(laptop.device.user)
    await using invite = await laptop.devices.invite()
    const [same] = await replacement.devices.join(invite.ticket)
    expect(await invite.accepted()).toMatchObject({ name: 'replacement', connected: true })
    await laptop.settled()
    expect(await same?.read('a.txt').text()).toBe('kept')
    const names = (await laptop.devices.list()).map(({ name }) => name)
    expect(names.sort()).toEqual(['laptop', 'replacement'])
  })

  test('spends the ticket: it serves no other device, be it recovered or new', async () => {
    await using peers = await createTestPeers(0)
    const [laptop, first, second, thief] = await Promise.all([1, 2, 3, 4].map(() => peers.add()))
    const { phrase } = await laptop!.identity.create({ name: 'laptop' })
    await first!.identity.recover(phrase, { name: 'first' })
    await second!.identity.recover(phrase, { name: 'second' })
    await using invite = await laptop!.devices.invite()
    await first!.devices.join(invite.ticket)
    expect((await invite.accepted()).name).toBe('first')
    await expect(second!.devices.join(invite.ticket)).rejects.toMatchObject({ code: 'TICKET_USED' })
    await expect(thief!.devices.join(invite.ticket)).rejects.toMatchObject({ code: 'TICKET_USED' })
    expect(thief!.hasIdentity).toBe(false)
  })

  test('a device may join again, with the same ticket or with a new one', async () => {
    await using peers = await createTestPeers(0)
    const [laptop, replacement] = [await peers.add(), await peers.add()]
    const { phrase } = await laptop.identity.create({ name: 'laptop' })
    await laptop.workspaces.create('notes')
    await replacement.identity.recover(phrase, { name: 'replacement' })
    for (let i = 0; i < 2; i++) {
      await using invite = await laptop.devices.invite()
      for (let n = 0; n < 2; n++) expect(await replacement.devices.join(invite.ticket)).toHaveLength(1)
      expect((await invite.accepted()).name).toBe('replacement')
    }
    expect(await laptop.devices.list()).toHaveLength(2)
  })

  test('a phrase of somebody else leads nowhere', async () => {
    await using peers = await createTestPeers(0)
    const [ann, bob] = [await peers.add(), await peers.add()]
    await ann.identity.create()
    await bob.identity.create()
    await using invite = await ann.devices.invite()
    await expect(bob.devices.join(invite.ticket)).rejects.toMatchObject({ code: 'IDENTITY_EXISTS' })
    await expect(bob.identity.recover('abandon '.repeat(24))).rejects.toMatchObject({
      code: 'IDENTITY_EXISTS',
    })
  })
})

describe('tickets', () => {
  test('serve one device, once', async () => {
    await using peers = await createTestPeers(1)
    const [laptop] = peers.devices
    const [desktop, thief] = [await peers.add(), await peers.add()]
    await using invite = (await laptop?.devices.invite()) as Awaited<ReturnType<typeof thief.devices.invite>>
    const accepted = invite.accepted()
    await desktop.devices.join(invite.ticket, { name: 'desktop' })
    expect((await accepted).name).toBe('desktop')
    await expect(thief.devices.join(invite.ticket)).rejects.toMatchObject({ code: 'TICKET_USED' })
    expect(thief.hasIdentity).toBe(false)
  })

  test('that were withdrawn or ran out serve nobody', async () => {
    await using peers = await createTestPeers(1)
    const [laptop] = peers.devices as [(typeof peers.devices)[0] & object]
    const desktop = await peers.add()
    const withdrawn = await laptop.devices.invite()
    await withdrawn.close()
    await expect(desktop.devices.join(withdrawn.ticket)).rejects.toMatchObject({ code: 'TICKET_USED' })
    const short = await laptop.devices.invite({ lifetime: 1 })
    await expect(short.accepted()).rejects.toMatchObject({ code: 'TICKET_EXPIRED' })
    await expect(desktop.devices.join(short.ticket)).rejects.toMatchObject({ code: 'TICKET_EXPIRED' })
  })
})
