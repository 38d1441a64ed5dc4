import type { RelayCounters } from './service.js'

export function createCounters(): RelayCounters {
  return {
    sessionsOpened: 0,
    sessionsRefused: 0,
    breaches: 0,
    requests: {},
    failed: {},
    commitsStored: 0,
    commitBytes: 0,
    groups: 0,
    commitsRead: 0,
    blocksStored: 0,
    blockBytes: 0,
    blocksCollected: 0,
    damagedRecords: 0,
  }
}

export function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1
}
