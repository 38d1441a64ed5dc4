import type { PeerStatus, Status, WorkspaceStatus } from '@peerfold/core'
import { count, formatBytes } from '../app/format.js'

export type Tone = 'good' | 'busy' | 'warn' | 'bad'

/** A workspace's state in a few words. */
export interface Summary {
  tone: Tone
  headline: string
  detail: string
}

/** Machines that are known to hold everything, durably. A browser may throw away what a site stores: it is never one of them. */
export function copiesElsewhere({ copies }: Pick<WorkspaceStatus, 'copies'>): number {
  return copies.min
}

export function describeCopies(workspace: Pick<WorkspaceStatus, 'copies'>): string {
  const elsewhere = copiesElsewhere(workspace)
  return elsewhere === 0 ? 'No full copy elsewhere yet' : `${count(elsewhere, 'copy', 'copies')} elsewhere`
}

export function summariseWorkspace(workspace: WorkspaceStatus, peers: readonly PeerStatus[]): Summary {
  const { state, error, pending, checked } = workspace
  const copies = describeCopies(workspace)
  if (error !== undefined) return { tone: 'bad', headline: 'Needs attention', detail: error.message }
  if (state === 'paused') return { tone: 'warn', headline: 'Paused', detail: copies }
  if (state === 'offline') {
    const alone = peers.length === 0
    return {
      tone: 'warn',
      headline: alone ? 'Only in this browser' : 'Not connected',
      detail: alone ? 'Invite another device to keep a copy' : `${copies}; changes wait here`,
    }
  }
  if (!checked) return { tone: 'busy', headline: 'Looking…', detail: 'What is here, and what is not' }
  if (pending.files > 0) {
    return {
      tone: 'busy',
      headline: 'Receiving',
      detail: `${count(pending.files, 'file')}, ${formatBytes(pending.bytes)} to come`,
    }
  }
  if (state === 'syncing') return { tone: 'busy', headline: 'Sending', detail: copies }
  return { tone: copiesElsewhere(workspace) > 0 ? 'good' : 'warn', headline: 'In sync', detail: copies }
}

const WAYS: Record<NonNullable<PeerStatus['via']>, string> = {
  tcp: 'direct, TCP',
  websocket: 'direct, WebSocket',
  webrtc: 'direct, WebRTC',
  circuit: 'through a relay',
  http: 'asked over HTTP',
  memory: 'in this page',
}

export function describeWay({ connected, via }: Pick<PeerStatus, 'connected' | 'via'>): string {
  if (!connected) return 'Not connected'
  return via === undefined ? 'Connected' : `Connected, ${WAYS[via]}`
}

/** "2 of 3 connected", of all devices and relays that this one knows. */
export function describePeers({ peers }: Pick<Status, 'peers'>): string {
  if (peers.length === 0) return 'No other device'
  const connected = peers.filter((peer) => peer.connected)
  if (connected.length === 0) return 'Nobody connected'
  if (peers.length === 1) return `${connected[0]?.name} connected`
  return `${connected.length} of ${peers.length} connected`
}

/** The devices that are waited for, with how many files of each. */
export function describeWaiting({ waitingFor }: Pick<WorkspaceStatus, 'waitingFor'>): string[] {
  const byDevice = new Map<string, { files: number; lastSeen: string | undefined }>()
  for (const { device = 'an unknown device', lastSeen } of waitingFor) {
    const known = byDevice.get(device)
    byDevice.set(device, { files: (known?.files ?? 0) + 1, lastSeen: known?.lastSeen ?? lastSeen })
  }
  return [...byDevice].map(([device, { files }]) => `${count(files, 'file')} from ${device}`)
}
