import { FileSystemError } from '../../errors.js'
import type { SeededRandom } from '../seeded-random.js'

/** Calls that need room; the others can't fail with ENOSPC. */
const GROWING = new Set(['create', 'write', 'mkdir', 'link', 'symlink', 'rename', 'truncate'])
/** Calls that name a path; those on an open file can't be denied any more. */
const ON_HANDLES = new Set(['fstat', 'read', 'write', 'truncate', 'fchmod', 'futimes', 'fsync'])

/** What a call has to stand: it waits for a while, so that others overtake it, and some fail. */
export class Weather {
  constructor(
    private readonly random: SeededRandom,
    /** Most turns that a call waits. */
    private readonly latency: number,
  ) {}

  async wait(): Promise<void> {
    await Promise.resolve()
    if (this.latency === 0) return
    for (let turns = this.random.integer(this.latency + 1); turns > 0; turns--) await Promise.resolve()
  }

  /** @param rate share of the calls that fail, 0 to 1 */
  strike(operation: string, path: string, rate: number): void {
    if (rate === 0 || this.random.float() >= rate) return
    const errors = ['EIO']
    if (GROWING.has(operation)) errors.push('ENOSPC')
    if (!ON_HANDLES.has(operation)) errors.push('EACCES', 'EBUSY')
    throw new FileSystemError(this.random.pick(errors), path)
  }
}
