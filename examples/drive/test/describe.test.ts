import type { PeerStatus, WorkspaceId, WorkspaceStatus } from '@peerfold/core'
import { describe, expect, test } from 'vitest'
import {
  describeCopies,
  describePeers,
  describeWaiting,
  describeWay,
  summariseWorkspace,
} from '../src/status/describe.js'

function workspace(rest: Partial<WorkspaceStatus> = {}): WorkspaceStatus {
  return {
    id: 'w1' as WorkspaceId,
    name: 'Home',
    folder: undefined,
    state: 'synced',
    files: 3,
    bytes: 3000,
    pending: { files: 0, bytes: 0 },
    checked: true,
    copies: { min: 1 },
    waitingFor: [],
    issues: [],
    ...rest,
  }
}

const laptop: PeerStatus = { id: 'd2', kind: 'device', name: 'Laptop', connected: true, via: 'websocket' }

describe('a workspace', () => {
  test('is in sync, with the copies that are elsewhere: the browser never counts', () => {
    expect(summariseWorkspace(workspace(), [laptop])).toEqual({
      tone: 'good',
      headline: 'In sync',
      detail: '1 copy elsewhere',
    })
    expect(describeCopies(workspace({ copies: { min: 0 } }))).toBe('No full copy elsewhere yet')
    expect(describeCopies(workspace({ copies: { min: 3 } }))).toBe('3 copies elsewhere')
  })

  test('that is on nobody else is not said to be well', () => {
    const alone = workspace({ state: 'offline', copies: { min: 0 } })
    expect(summariseWorkspace(alone, []).headline).toBe('Only in this browser')
    expect(summariseWorkspace(alone, [{ ...laptop, connected: false }])).toMatchObject({
      tone: 'warn',
      headline: 'Not connected',
    })
    expect(summariseWorkspace(workspace({ copies: { min: 0 } }), [laptop]).tone).toBe('warn')
  })

  test('says what it is at', () => {
    const receiving = workspace({ state: 'syncing', pending: { files: 2, bytes: 2_000_000 } })
    expect(summariseWorkspace(receiving, [laptop])).toMatchObject({ tone: 'busy', headline: 'Receiving' })
    expect(summariseWorkspace(receiving, [laptop]).detail).toMatch(/^2 files, 2 MB to come$/)
    expect(summariseWorkspace(workspace({ state: 'syncing' }), [laptop]).headline).toBe('Sending')
    expect(summariseWorkspace(workspace({ checked: false }), [laptop]).headline).toBe('Looking…')
  })

  test('says first what is wrong', () => {
    const error = { code: 'DEVICE_REVOKED', message: 'this device is revoked', hint: 'pair it again' }
    expect(summariseWorkspace(workspace({ state: 'error', error }), [laptop])).toEqual({
      tone: 'bad',
      headline: 'Needs attention',
      detail: 'this device is revoked',
    })
  })

  test('names the devices that it waits for', () => {
    const waitingFor = ['a', 'b', 'c'].map((path) => ({
      path,
      device: path === 'c' ? undefined : 'Laptop',
      lastSeen: undefined,
    }))
    expect(describeWaiting(workspace({ waitingFor }))).toEqual([
      '2 files from Laptop',
      '1 file from an unknown device',
    ])
  })
})

describe('peers', () => {
  const relay: PeerStatus = { id: 'r1', kind: 'relay', name: 'relay', connected: false, via: undefined }

  test('are counted, a single one is named', () => {
    expect(describePeers({ peers: [] })).toBe('No other device')
    expect(describePeers({ peers: [relay] })).toBe('Nobody connected')
    expect(describePeers({ peers: [laptop] })).toBe('Laptop connected')
    expect(describePeers({ peers: [laptop, relay] })).toBe('1 of 2 connected')
  })

  test('are connected by a way', () => {
    expect(describeWay(laptop)).toBe('Connected, direct, WebSocket')
    expect(describeWay({ connected: true, via: 'circuit' })).toBe('Connected, through a relay')
    expect(describeWay(relay)).toBe('Not connected')
  })
})
