import type { WorkspaceId } from '@peerfold/core'
import { expect, test } from 'vitest'
import { byUrgency, summarise } from '../src/transfers/summary.js'
import type { Upload } from '../src/transfers/types.js'

function upload(state: Upload['state'], size = 99, done = 0): Upload {
  return { id: state, workspace: 'w1' as WorkspaceId, path: state, size, modified: 0, state, done }
}

test('progress is that of all bytes, without what was cancelled', () => {
  const uploads = [upload('saved'), upload('running', 99, 50), upload('waiting'), upload('cancelled', 5000)]
  expect(summarise(uploads)).toEqual({ open: 2, failed: 0, lost: 0, kept: 0, saved: 1, progress: 0.5 })
  expect(summarise([upload('kept', 0)]).progress).toBe(1)
  expect(summarise([]).progress).toBe(1)
})

test('what needs a person comes first', () => {
  const states = ['saved', 'waiting', 'lost', 'running', 'failed'] as const
  expect(byUrgency(states.map((state) => upload(state))).map(({ state }) => state)).toEqual([
    'failed',
    'lost',
    'running',
    'waiting',
    'saved',
  ])
})
