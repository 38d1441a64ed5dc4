import type { Watcher, WatchHint } from '../ports/watcher.js'
import type { FolderContext } from './context.js'
import { describeFailure } from './guard.js'
import { STATE_DIRECTORY } from './names.js'

export interface WatchingInit {
  folder: Pick<FolderContext, 'directory' | 'ignore' | 'issues' | 'clock' | 'signal'>
  watcher: Watcher
  /** Something may have changed; everything, when watching has just begun. */
  onHint(hint: WatchHint): void
  /** Nothing is watched for now. */
  onBlind(): void
}

const REWATCH_MS = 60_000

/** Watches a folder for as long as it is open, but for what is ignored, and tries again when watching fails. */
export class Watching {
  #active = false
  /** Ends the present watch, and begins another. */
  #end = new AbortController()

  constructor(private readonly init: WatchingInit) {}

  get active(): boolean {
    return this.#active
  }

  /** Other directories are ignored from now on, or others lie there: the folder was away. */
  anew(): void {
    this.#end.abort()
  }

  /** Until the folder's signal is aborted. */
  async run(): Promise<void> {
    const { folder, onBlind } = this.init
    const { signal, clock, issues } = folder
    while (!signal.aborted) {
      this.#end = new AbortController()
      const failure = await this.#watch(AbortSignal.any([signal, this.#end.signal]))
      if (signal.aborted) return
      // Whatever happens until the next watch is in force is found by the scan that its readiness asks for.
      if (this.#end.signal.aborted) continue
      this.#active = false
      const reason = `changes can't be watched, the folder is scanned every minute: ${failure}`
      if (failure !== undefined) issues.add('', 'IO_FAILED', reason)
      onBlind()
      const awake = AbortSignal.any([signal, this.#end.signal])
      await clock.sleep(REWATCH_MS, { signal: awake }).catch(() => undefined)
    }
  }

  /** @returns why it ended, if it failed */
  async #watch(signal: AbortSignal): Promise<string | undefined> {
    const { folder, watcher, onHint } = this.init
    const onReady = () => {
      this.#active = true
      folder.issues.clear('')
      onHint({ type: 'overflow' })
    }
    const { rules } = folder.ignore
    const skips = (directory: string) =>
      directory.startsWith(`${STATE_DIRECTORY}/`) || rules.find(directory, 'folder') !== undefined
    try {
      for await (const hint of watcher.watch(folder.directory, { signal, onReady, skips })) onHint(hint)
    } catch (error) {
      if (!signal.aborted) return describeFailure(error)?.message ?? String(error)
    }
    return undefined
  }
}
