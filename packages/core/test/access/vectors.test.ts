import { expect, test } from 'vitest'
import { sealBox } from '../../src/access/box.js'
import { createDeviceRequest } from '../../src/access/device-request.js'
import { devicePublicKeys } from '../../src/access/device-secrets.js'
import { draftEpoch } from '../../src/access/epoch-record.js'
import { combineEpochs, epochKey, epochOf } from '../../src/access/epochs.js'
import { createFeedCertificate } from '../../src/access/feed-certificate.js'
import { createWorkspaceGenesis } from '../../src/access/genesis.js'
import { sealGrant } from '../../src/access/grant.js'
import { addDevice, createGenesis, emptyIdentity } from '../../src/access/identity-log.js'
import { encodeOperation } from '../../src/access/operations.js'
import { createPhrase, recoveryKey, rootSecrets } from '../../src/access/phrase.js'
import { encodeTicket, encodeTicketLink, ticketId } from '../../src/access/ticket.js'
import { ticketProof } from '../../src/access/ticket-proof.js'
import { fromHex, toHex } from '../../src/encoding/bytes.js'
import { encodeCbor } from '../../src/encoding/cbor.js'
import { crypto, merged } from './fixtures.js'

/** `npx vitest run packages/core/test/access/vectors.test.ts -u` writes them anew: a change here is a change of the protocol. */
test('docs/protocol/vectors/access.json is what this code makes', async () => {
  const of = (byte: number, length = 32) => new Uint8Array(length).fill(byte)
  const random = (byte: number) => ({ bytes: (length: number) => of(byte, length) })
  const phrase = createPhrase(random(0x7f))
  const root = rootSecrets(phrase)
  const { user, bytes: genesis } = await createGenesis(crypto, root)
  const secrets = { signingSeed: of(1), boxSecret: of(2), peerSeed: of(3) }
  const keys = devicePublicKeys(crypto, secrets)
  const request = await createDeviceRequest({ crypto, secrets, user, name: 'laptop', time: 1767225600000 })
  const base = await merged(emptyIdentity(user), genesis)
  const time = 1767225600001
  const entry = await addDevice({ crypto, identity: base, seed: root.rootSeed, time }, request)
  const identity = await merged(base, entry)
  const workspace = createWorkspaceGenesis(random(4), user)
  const epoch = epochOf(workspace.id, of(5), of(6))
  const other = epochOf(workspace.id, of(7), of(8))
  const feedKey = crypto.publicKey(of(9))
  const signingSeed = secrets.signingSeed
  const proof = await createFeedCertificate({
    crypto,
    identity,
    signingSeed,
    workspace: workspace.id,
    feedKey,
  })
  const { operation } = await draftEpoch(
    {
      crypto,
      random: random(10),
      workspace: workspace.id,
      devices: [{ device: keys.device, boxKey: keys.boxKey }],
      recovery: [{ user, key: recoveryKey(root) }],
      previous: [epoch],
    },
    other,
  )
  const ticket = {
    user,
    inviter: keys.peer,
    addresses: ['/ip4/127.0.0.1/tcp/4001'],
    relays: [],
    secret: of(11, 16),
    expires: 1767226200000,
  }
  const joiner = devicePublicKeys(crypto, { ...secrets, peerSeed: of(12) }).peer
  const peers = { inviter: keys.peer, joiner }
  const proofOf = (role: 'inviter' | 'joiner') =>
    toHex(ticketProof({ user, secret: ticket.secret, peers, role, payload: request }))
  const grant = { genesis: workspace, name: 'Photos', epochs: [{ ...epoch, previous: [] }] }
  const purposes = ['commit', 'dedup', 'gear', 'discovery', 'relay-pull', 'relay-push'] as const
  const vectors = {
    root: {
      entropy: toHex(of(0x7f)),
      phrase,
      rootSeed: toHex(root.rootSeed),
      recoverySecret: toHex(root.recoverySecret),
      recoveryKey: toHex(recoveryKey(root)),
      genesis: toHex(genesis),
      user,
    },
    device: {
      signingSeed: toHex(of(1)),
      boxSecret: toHex(of(2)),
      peerSeed: toHex(of(3)),
      signingKey: toHex(keys.signingKey),
      boxKey: toHex(keys.boxKey),
      device: keys.device,
      peer: keys.peer,
      request: toHex(request),
      addDeviceByRoot: toHex(entry),
    },
    workspace: {
      salt: toHex(of(4)),
      genesis: toHex(workspace.bytes),
      id: workspace.id,
      handle: workspace.handle,
    },
    feed: { feedKey: toHex(feedKey), certificate: toHex(proof) },
    epoch: {
      read: toHex(of(5)),
      push: toHex(of(6)),
      id: epoch.id,
      keys: Object.fromEntries(purposes.map((purpose) => [purpose, toHex(epochKey(epoch, purpose))])),
      other: { read: toHex(of(7)), push: toHex(of(8)), id: other.id },
      combined: combineEpochs(workspace.id, [epoch, other]).id,
      operation: toHex(encodeCbor(encodeOperation(operation))),
    },
    box: {
      ephemeralSecret: toHex(of(10)),
      recipient: toHex(keys.boxKey),
      purpose: 'vector',
      plaintext: '010203',
      box: toHex(sealBox(random(10), keys.boxKey, 'vector', fromHex('010203'))),
    },
    ticket: {
      line: encodeTicket(ticket),
      link: encodeTicketLink(ticket),
      id: ticketId(ticket.secret),
      joiner,
      payload: toHex(request),
      joinerProof: proofOf('joiner'),
      inviterProof: proofOf('inviter'),
    },
    grant: { sealed: toHex(await sealGrant({ crypto, random: random(13), secrets, to: keys }, grant)) },
  }
  const path = '../../../../docs/protocol/vectors/access.json'
  await expect(`${JSON.stringify(vectors, null, 2)}\n`).toMatchFileSnapshot(path)
})
