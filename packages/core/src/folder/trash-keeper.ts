import { PeerfoldError } from '../errors.js'
import { capture, putBack } from './capture.js'
import type { FolderContext } from './context.js'
import type { TrashRecord } from './journal.js'
import type { StatePaths } from './state-directory.js'
import { expired, lateWrites, removeQuietly, type TrashLimits } from './trash.js'

/** Programs that had a file open when it went to the trash are done with it by then, mostly. */
const LATE_WRITE_MS = 10_000

export interface TrashKeeperInit {
  folder: FolderContext
  paths: StatePaths
  limits: TrashLimits
  /** A file was put back into this directory. */
  onReturn(directory: string): void
}

/** Looks after what was moved to the trash: what is written to it there becomes a version, what is old goes. */
export class TrashKeeper {
  /** What came lately, and when (monotonic milliseconds) to look at it again. */
  readonly #late: Array<{ due: number; record: TrashRecord }> = []

  constructor(private readonly init: TrashKeeperInit) {}

  /** When to look again at what came lately. */
  get due(): number[] {
    return this.#late.map((late) => late.due)
  }

  /** What came since may still be written to, or may never have come there. */
  expectWrites(before: ReadonlySet<string>): void {
    const { clock, journal } = this.init.folder
    const due = clock.monotonic() + LATE_WRITE_MS
    for (const record of journal.trash.values())
      if (!before.has(record.name)) this.#late.push({ due, record })
  }

  /** Looks at what is due. @returns whether any was written to */
  async checkDue(now: number): Promise<boolean> {
    let captured = false
    for (const late of this.#late.filter(({ due }) => due <= now)) {
      // Should it fail, it is not forgotten.
      late.due = now + LATE_WRITE_MS
      captured = (await this.#captureWritten([late.record])).size > 0 || captured
      this.#late.splice(this.#late.indexOf(late), 1)
    }
    return captured
  }

  /** After a start, what was there before is looked at once more. */
  async checkAll(): Promise<void> {
    await this.#captureWritten([...this.init.folder.journal.trash.values()])
  }

  /** Removes what is too old or too much, but not before it was captured, if it was written to meanwhile. */
  async purge(): Promise<void> {
    const { folder, paths, limits } = this.init
    const records = expired(folder, limits)
    await this.#captureWritten(records)
    for (const { name } of records) {
      await removeQuietly(folder, folder.files.join(paths.trash, name))
      folder.journal.endTrash(name)
    }
    await folder.journal.flush(folder.synced)
  }

  /**
   * Puts a file back where it was, or under a free name like its own.
   *
   * @returns its path
   * @throws {PeerfoldError} `NOT_FOUND`
   */
  async restore(name: string): Promise<string> {
    const { folder, paths } = this.init
    const record = folder.journal.trash.get(name)
    if (record === undefined) throw new PeerfoldError('NOT_FOUND', `the trash holds no ${name}`)
    return await putBack(folder, paths, record)
  }

  async #captureWritten(records: readonly TrashRecord[]): Promise<Set<TrashRecord>> {
    const { folder, paths, onReturn } = this.init
    const written = await lateWrites(folder, paths, records)
    for (const record of written) {
      const directory = await capture(folder, paths, record)
      if (directory !== undefined) onReturn(directory)
    }
    return new Set(written)
  }
}
