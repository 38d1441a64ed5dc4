import type { WorkspaceHandle } from '@peerfold/core'
import type { Mailboxes } from '../mailbox/mailboxes.js'
import type { Grown } from '../mailbox/writer.js'
import type { Opened } from './context.js'

export interface NoticesInit {
  mailboxes: Mailboxes
  opened: ReadonlyMap<WorkspaceHandle, Opened>
  signal: AbortSignal
  /** Resolves when the transport takes more. */
  send: (handle: WorkspaceHandle, now: Grown) => Promise<void>
}

/** Tells a device that mailboxes grew. Level-triggered: what happens while one notice is on its way is one more, however much it is (PROTOCOL.md §10.6). */
export class Notices {
  readonly #init: NoticesInit
  readonly #due = new Map<WorkspaceHandle, Grown>()
  /** To where those with older keys were told that they may read. */
  readonly #told = new Map<WorkspaceHandle, number>()
  #sending = false

  constructor(init: NoticesInit) {
    this.#init = init
  }

  notify(handle: WorkspaceHandle, { next, bytes }: Grown): void {
    if (!this.#init.opened.has(handle) || this.#init.signal.aborted) return
    this.#due.set(handle, { next, bytes })
    if (!this.#sending) void this.#send()
  }

  async #send(): Promise<void> {
    this.#sending = true
    try {
      for (const [handle, now] of this.#due) {
        this.#due.delete(handle)
        const visible = await this.#visible(handle, now)
        if (visible !== undefined) await this.#init.send(handle, visible)
      }
    } catch {
      // The stream is gone, or the index is built anew: the device finds the difference in the next `opened`.
    } finally {
      this.#sending = false
    }
  }

  /** Who holds only older keys hears when the commit is there that brings the next ones. */
  async #visible(handle: WorkspaceHandle, now: Grown): Promise<Grown | undefined> {
    const { mailboxes, opened } = this.#init
    const open = opened.get(handle)
    if (open?.role !== 'rotation') return open === undefined ? undefined : now
    const epoch = await mailboxes.epoch(handle, open.epoch)
    const end = epoch === undefined ? 1 : await mailboxes.rotationEnd(handle, epoch)
    if (end <= (this.#told.get(handle) ?? 1)) return undefined
    this.#told.set(handle, end)
    return { next: end, bytes: 0 }
  }
}
