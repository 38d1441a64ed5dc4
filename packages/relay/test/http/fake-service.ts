import { createHash, randomBytes } from 'node:crypto'
import type { PeerId, WorkspaceHandle } from '@peerfold/core'
import { blockCid } from '@peerfold/core/platform'
import type { CID } from 'multiformats/cid'
import type { HttpService } from '../../src/http/routes.js'
import type { Tokens } from '../../src/service.js'

export const PEER = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
export const INCARNATION = 'aa'.repeat(16)

/** A relay as the HTTP side sees it, whose mailboxes a test moves by hand. */
export class FakeService implements HttpService {
  state: HttpService['state'] = 'ready'
  reason: string | undefined
  readonly mailboxes = new Map<WorkspaceHandle, { incarnation: string; next: number }>()
  readonly blocks = new Map<string, Uint8Array>()
  readonly tokens: Tokens
  /** Runs between a look at a mailbox and what comes of it. */
  onLook: (handle: WorkspaceHandle) => void | Promise<void> = () => {}
  onRead: () => void | Promise<void> = () => {}
  looks = 0
  readonly #listeners = new Set<(handle: WorkspaceHandle, next: number) => void>()
  readonly #tokens = new Map<string, { peer: PeerId; handles: Set<WorkspaceHandle> }>()

  constructor() {
    this.tokens = {
      issue: (peer, handles) => {
        const token = randomBytes(32).toString('base64url')
        this.#tokens.set(token, { peer, handles: new Set(handles) })
        return { token, expires: Date.now() + 900_000 }
      },
      check: (token) => this.#tokens.get(token),
    }
  }

  token(handles: Iterable<WorkspaceHandle>, peer: PeerId = PEER): string {
    return this.tokens.issue(peer, handles).token
  }

  /** The keys of a workspace change. */
  revoke(handle: WorkspaceHandle): void {
    for (const { handles } of this.#tokens.values()) handles.delete(handle)
  }

  addMailbox(next = 1): WorkspaceHandle {
    const handle = randomBytes(32).toString('hex')
    this.mailboxes.set(handle, { incarnation: INCARNATION, next })
    return handle
  }

  addBlock(handle: WorkspaceHandle, bytes: Uint8Array): CID {
    const cid = blockCid(createHash('sha256').update(bytes).digest())
    this.blocks.set(`${handle}/${cid}`, bytes)
    return cid
  }

  /** A commit is durable, and told. */
  commit(handle: WorkspaceHandle): void {
    const { incarnation, next } = this.mailboxes.get(handle) as { incarnation: string; next: number }
    this.mailboxes.set(handle, { incarnation, next: next + 1 })
    this.tell(handle)
  }

  tell(handle: WorkspaceHandle): void {
    const next = this.mailboxes.get(handle)?.next ?? 1
    for (const listener of this.#listeners) listener(handle, next)
  }

  get listeners(): number {
    return this.#listeners.size
  }

  async mailbox(handle: WorkspaceHandle) {
    this.looks++
    const now = this.mailboxes.get(handle)
    await this.onLook(handle)
    return now
  }

  onChange(listener: (handle: WorkspaceHandle, next: number) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async readBlock(handle: WorkspaceHandle, cid: CID): Promise<Uint8Array | undefined> {
    await this.onRead()
    return this.blocks.get(`${handle}/${cid}`)
  }
}
