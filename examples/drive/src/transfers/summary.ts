import { isOpen, type Upload } from './types.js'

export interface UploadSummary {
  /** Files not yet in this browser. */
  open: number
  failed: number
  lost: number
  /** In this browser and nowhere else, for all that is known. */
  kept: number
  saved: number
  /** Between 0 and 1, of the bytes of all that is not cancelled. */
  progress: number
}

export function summarise(uploads: readonly Upload[]): UploadSummary {
  const wanted = uploads.filter(({ state }) => state !== 'cancelled')
  const of = (state: Upload['state']) => wanted.filter((each) => each.state === state).length
  // An empty file is something to do, too.
  const weight = ({ size }: Upload) => size + 1
  const total = wanted.reduce((sum, each) => sum + weight(each), 0)
  const done = wanted.reduce((sum, each) => sum + doneOf(each, weight(each)), 0)
  return {
    open: wanted.filter(isOpen).length,
    failed: of('failed'),
    lost: of('lost'),
    kept: of('kept'),
    saved: of('saved'),
    progress: total === 0 ? 1 : done / total,
  }
}

function doneOf({ state, done }: Upload, weight: number): number {
  if (state === 'kept' || state === 'saved') return weight
  return state === 'running' ? Math.min(done, weight) : 0
}

/** Those that need a person first, then what runs, then what waits, then what is over. */
const RANK: Record<Upload['state'], number> = {
  failed: 0,
  lost: 1,
  running: 2,
  waiting: 3,
  kept: 4,
  saved: 5,
  cancelled: 6,
}

export function byUrgency(uploads: readonly Upload[]): Upload[] {
  return [...uploads].sort((a, b) => RANK[a.state] - RANK[b.state])
}
