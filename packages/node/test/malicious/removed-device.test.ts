import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Peerfold } from '@peerfold/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DeviceSecrets } from '../../../core/src/access/types.js'
import { openPeerfold } from '../../src/open-peerfold.js'
import { Stranger } from '../e2e/stranger.js'
import { BlockRequests, blockDigests, Conversation, readKeys } from './thief.js'

const SECRET = `for this user's devices only: ${randomBytes(16).toString('hex')}`

/** Somebody has the home of the phone: its keys, the identity log, every workspace's id and the names of all blocks. */
describe('who has the keys of a device and speaks real libp2p', () => {
  let directory: string
  let laptop: Peerfold
  let stolen: { secrets: DeviceSecrets; entries: Uint8Array[] }
  let phone: string
  let handle: string
  let digests: string[]
  const open = (name: string) =>
    openPeerfold({ home: join(directory, name), name, listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false })

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'peerfold-thief-'))
    laptop = await open('laptop')
    await laptop.identity.create()
    const workspace = await laptop.workspaces.create('notes')
    await workspace.write('secret.txt', SECRET)
    const device = await open('phone')
    const invite = await laptop.devices.invite()
    await device.devices.join(invite.ticket)
    phone = (await invite.accepted()).id
    await laptop.settled({ signal: AbortSignal.timeout(30_000) })
    await device.close()
    stolen = await readKeys(join(directory, 'phone'))
    digests = await blockDigests(join(directory, 'phone'), workspace.id)
    handle = createHash('sha256')
      .update('peerfold/1/handle\0')
      .update(Buffer.from(workspace.id, 'hex'))
      .digest('hex')
  }, 60_000)

  afterAll(async () => {
    await laptop.close()
    await rm(directory, { recursive: true, force: true })
  })

  test('is served every block while the device is one, and none from the moment that it is removed', async () => {
    const user = laptop.device.user as string
    const thief = await Stranger.arrive(laptop.status.value.addresses, stolen.secrets)
    try {
      const session = await Conversation.open(thief, user, stolen.entries)
      expect(session.heard[0]?.type).toBe('hello')
      const early = await BlockRequests.open(thief)
      // The harmless twin of all that follows: the very same bytes, sent by a device of the user.
      const served = await early.want(handle, digests)
      expect(served.map(({ type }) => type)).toEqual(digests.map(() => 'block'))
      for (const response of served)
        if (response.type === 'block')
          expect(createHash('sha256').update(response.bytes).digest('hex')).toBe(response.digest)

      await laptop.devices.revoke(phone)
      expect(await session.first(({ type }) => type === 'bye')).toMatchObject({ code: 'DEVICE_REVOKED' })
      expect(blocksIn(await early.want(handle, digests))).toEqual([])
      expect(blocksIn(await wantAnew(thief))).toEqual([])
      const again = await Conversation.open(thief, user, stolen.entries)
      expect(again.heard.map(({ type }) => type)).toEqual(['bye'])
      expect(again.heard[0]).toMatchObject({ code: 'DEVICE_REVOKED' })
      expect(await wantAnew(thief)).toEqual([{ type: 'refused', handle }])
    } finally {
      await thief.close()
    }
    expect(await (await laptop.workspaces.open('notes')).read('secret.txt').text()).toBe(SECRET)
  }, 60_000)

  async function wantAnew(by: Stranger) {
    const requests = await BlockRequests.open(by)
    try {
      return await requests.want(handle, digests)
    } finally {
      requests.close()
    }
  }
})

function blocksIn(responses: Awaited<ReturnType<BlockRequests['want']>>) {
  return responses.filter(({ type }) => type === 'block' || type === 'have')
}
