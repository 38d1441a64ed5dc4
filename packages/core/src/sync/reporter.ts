import type { LogSummary, WorkspaceLog } from '../log/types.js'
import type { Report } from './messages.js'
import { difference } from './summary.js'

/** What one peer was told about one workspace, so that only changes travel. */
export class Reporter {
  readonly #log: Pick<WorkspaceLog, 'summary'>
  readonly #complete: () => boolean
  #told: LogSummary = new Map()
  #toldComplete: boolean | undefined

  constructor(log: Pick<WorkspaceLog, 'summary'>, complete: () => boolean) {
    this.#log = log
    this.#complete = complete
  }

  /** What the peer does not know yet, counted as told from now on: the message that carries it must leave in order. */
  take(): Report | undefined {
    const complete = this.#complete()
    const first = this.#toldComplete === undefined
    const change = difference(this.#told, this.#log.summary())
    if (change === undefined && complete === this.#toldComplete) return undefined
    const reset = first || (change?.reset ?? false)
    const heads = change?.heads ?? new Map()
    if (reset) this.#told.clear()
    for (const [feed, at] of heads) this.#told.set(feed, at)
    this.#toldComplete = complete
    return { reset, heads, complete }
  }
}
