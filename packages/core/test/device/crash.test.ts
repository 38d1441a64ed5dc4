import { describe, expect, test } from 'vitest'
import type { Peerfold } from '../../src/api.js'
import { createDeterministicCrypto } from '../../src/testing/deterministic-crypto.js'
import {
  createTestPeers,
  type HomeStore,
  type MemoryHome,
  type TestPeers,
} from '../../src/testing/test-peers.js'
import type { Workspace, Writer } from '../../src/workspace/types.js'
import { expectConverged, type Replica, textsOf } from './replicas.js'

/** Nobody forges here, and signing is most of what a device does otherwise. */
const crypto = () => createDeterministicCrypto({ signatures: 'simulated' })

/** What the history below does, one acknowledged step after the other. */
const STEPS: ReadonlyArray<(workspace: Workspace) => Promise<unknown>> = [
  (workspace) => workspace.write('a.txt', 'a1'),
  (workspace) => workspace.write('a.txt', 'a2'),
  (workspace) =>
    workspace.transact(async (tx: Writer) => {
      await tx.write('both/one.txt', 'one')
      await tx.write('both/two.txt', 'two')
    }),
  (workspace) => workspace.move('a.txt', 'both/a.txt'),
  (workspace) => workspace.remove('both/one.txt'),
]

const AFTER: ReadonlyArray<Record<string, string[]>> = [
  {},
  { 'a.txt': ['a1'] },
  { 'a.txt': ['a2'] },
  { 'a.txt': ['a2'], 'both/one.txt': ['one'], 'both/two.txt': ['two'] },
  { 'both/a.txt': ['a2'], 'both/one.txt': ['one'], 'both/two.txt': ['two'] },
  { 'both/a.txt': ['a2'], 'both/two.txt': ['two'] },
]

class Crash extends Error {}

type Fault = 'before the write' | 'after the write' | 'once only'

/** Lets writes to a store pass, and fails the one at `at`; a crash fails all that come later, to any store, too. */
function failAt(home: MemoryHome, store: HomeStore, at: number, fault: Fault): { failed: boolean } {
  const state = { failed: false }
  let count = 0
  home.onWrite = (written, done) => {
    if (state.failed && fault !== 'once only') throw new Crash('the device is down')
    if (state.failed || written !== store || done !== (fault === 'after the write')) return
    if (count++ < at) return
    state.failed = true
    throw new Crash(`write ${at} to ${store} fails`)
  }
  return state
}

/** Runs the history until something fails. @returns how many steps were acknowledged */
async function runUntilFailure(workspace: Workspace): Promise<number> {
  for (const [done, step] of STEPS.entries()) {
    try {
      await step(workspace)
    } catch {
      return done
    }
  }
  return STEPS.length
}

async function restartAfter(peers: TestPeers): Promise<Peerfold> {
  const home = peers.homeOf(0)
  home.onWrite = () => {
    throw new Crash('the device is down')
  }
  await peers.devices[0]?.close()
  home.onWrite = undefined
  return await peers.restart(0)
}

function expectAcknowledged(replica: Replica, acknowledged: number): void {
  // What was under way may have happened or not, as a whole.
  const possible = [AFTER[acknowledged], AFTER[acknowledged + 1] ?? AFTER[acknowledged]]
  expect(possible).toContainEqual(textsOf(replica))
}

describe('a device whose stores fail', () => {
  for (const store of ['log', 'blocks', 'index'] as const) {
    for (const fault of ['before the write', 'after the write', 'once only'] as const) {
      test(`${store}, ${fault}: keeps what it acknowledged, whichever write fails`, async () => {
        let failures = 0
        for (let at = 0; ; at++) {
          await using peers = await createTestPeers(2, { crypto })
          const workspace = (await peers.devices[0]?.workspaces.create('work')) as Workspace
          await peers.devices[0]?.settled()
          const state = failAt(peers.homeOf(0), store, at, fault)
          const acknowledged = await runUntilFailure(workspace)
          const again = await restartAfter(peers)
          expectAcknowledged(await expectConverged(peers, workspace.id), acknowledged)
          const reopened = await again.workspaces.open(workspace.id)
          await reopened.write('after.txt', `after failure ${at}`)
          expect(textsOf(await expectConverged(peers, workspace.id))['after.txt']).toHaveLength(1)
          if (!state.failed) break
          failures++
        }
        expect(failures).toBeGreaterThan(2)
      })
    }
  }

  test('goes on when the device that receives crashes: it takes again what it lacks', async () => {
    for (const store of ['log', 'blocks', 'index'] as const) {
      await using peers = await createTestPeers(2, { crypto })
      const workspace = (await peers.devices[1]?.workspaces.create('work')) as Workspace
      await peers.devices[1]?.settled()
      failAt(peers.homeOf(0), store, 2, 'before the write')
      expect(await runUntilFailure(workspace)).toBe(STEPS.length)
      await restartAfter(peers)
      expect(textsOf(await expectConverged(peers, workspace.id))).toEqual(AFTER.at(-1))
    }
  })
})
