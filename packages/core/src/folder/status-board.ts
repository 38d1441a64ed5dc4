import type { FolderContext } from './context.js'
import type { Fetcher } from './fetcher.js'
import type { Plan } from './plan.js'
import type { FolderStatus } from './types.js'

const INTERVAL_MS = 200

/** What a folder is doing, and who is told of it. */
export class StatusBoard {
  readonly #listeners = new Set<(status: FolderStatus) => void>()
  #state: FolderStatus['state'] = 'syncing'
  #error: FolderStatus['error']
  /** Bytes of what is still to be done, by path. */
  #weights = new Map<string, number>()
  #pending = { files: 0, bytes: 0 }
  #saidAt = 0
  #lastSaid = ''

  constructor(
    private readonly folder: Pick<FolderContext, 'clock' | 'issues'>,
    private readonly fetcher: Pick<Fetcher, 'awaiting'>,
  ) {}

  get state(): FolderStatus['state'] {
    return this.#state
  }

  get pending(): number {
    return this.#pending.files
  }

  status(): FolderStatus {
    const awaiting = this.fetcher.awaiting().map(({ path, version }) => ({ path, size: version.size }))
    const status: FolderStatus = {
      state: this.#state,
      pending: { ...this.#pending },
      awaiting,
      issues: this.folder.issues.list(),
    }
    return this.#error === undefined ? status : { ...status, error: this.#error }
  }

  listen(listener: (status: FolderStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  setError(error: FolderStatus['error']): void {
    this.#error = error
  }

  /** A plan is about to be carried out. */
  count(plan: Plan): void {
    this.#weights = new Map()
    for (const action of [...plan.publish, ...plan.apply])
      if (action.do === 'create' || action.do === 'edit') this.#weights.set(action.path, action.bytes)
    this.#total()
    if (this.#weights.size > 0 && this.#state === 'synced') this.say('syncing')
  }

  /** A file of it is done. */
  done(path: string): void {
    this.#weights.delete(path)
    if (this.folder.clock.monotonic() - this.#saidAt < INTERVAL_MS) return
    this.#total()
    this.say(this.#state)
  }

  #total(): void {
    let bytes = 0
    for (const weight of this.#weights.values()) bytes += weight
    this.#pending = { files: this.#weights.size, bytes }
  }

  /** Tells what has changed since the last time, if anything has. */
  say(state: FolderStatus['state']): void {
    this.#state = state
    this.#saidAt = this.folder.clock.monotonic()
    const status = this.status()
    const summary = JSON.stringify(status)
    if (summary === this.#lastSaid) return
    this.#lastSaid = summary
    for (const listener of this.#listeners) listener(status)
  }
}
