import { PeerfoldError } from '../errors.js'
import type { EpochId, WorkspaceId } from '../ports/ids.js'
import { combineEpochs, epochId } from './epochs.js'
import type { EpochSecrets, Keyring } from './types.js'

/** An epoch with what it supersedes, as grants carry it. */
export interface GrantedEpoch extends EpochSecrets {
  previous: EpochId[]
}

/** What the keyring knows about an epoch beside its secrets. */
interface EpochNode {
  previous: EpochId[]
  /** From a commit that is quarantined: opens commits, is never current. */
  void: boolean
}

/** Combinations tried for a commit whose epoch is none that was announced. */
const MAX_COMBINATIONS = 256

/**
 * Keys of one workspace (PROTOCOL.md §3.11). Epochs form a graph by what they supersede; current is what no other supersedes, several of them combined. Grants and
 * epoch operations both add to it, and it is the same whichever came first.
 */
export class EpochKeyring implements Keyring {
  readonly workspace: WorkspaceId
  readonly #secrets = new Map<EpochId, EpochSecrets>()
  readonly #granted = new Map<EpochId, EpochNode>()
  readonly #announced = new Map<EpochId, EpochNode>()
  /** Combined id → the epochs combined. */
  readonly #combined = new Map<EpochId, { secrets: EpochSecrets; parts: EpochId[] }>()
  /** Combinations ever derived, by their parts: deriving is slow, and the graph changes more often than they do. */
  readonly #derived = new Map<string, EpochSecrets>()
  #current: EpochSecrets | undefined
  #stale = true

  constructor(workspace: WorkspaceId) {
    this.workspace = workspace
  }

  /** Takes secrets that were checked against their id. True when they are new. */
  learn(secrets: EpochSecrets): boolean {
    if (this.#secrets.has(secrets.id)) return false
    this.#secrets.set(secrets.id, secrets)
    this.#stale = true
    return true
  }

  /** @throws {PeerfoldError} `CERTIFICATE_INVALID` when the secrets do not fit the id */
  grant({ id, read, push, previous }: GrantedEpoch): boolean {
    if (epochId(this.workspace, read, push) !== id) {
      throw new PeerfoldError('CERTIFICATE_INVALID', 'epoch: the secrets do not fit its id')
    }
    this.#granted.set(id, { previous, void: false })
    this.#stale = true
    return this.learn({ id, read, push })
  }

  /** What a commit says about an epoch: more than a grant can know. */
  announce(id: EpochId, node: EpochNode): void {
    this.#announced.set(id, node)
    this.#stale = true
  }

  /** Before a replay. Secrets and what grants said stay. */
  forgetAnnounced(): void {
    this.#announced.clear()
    this.#stale = true
  }

  /** @throws {PeerfoldError} `KEY_MISSING` when this device holds not all of what is current */
  current(): EpochSecrets {
    this.#refresh()
    if (this.#current === undefined) {
      throw new PeerfoldError('KEY_MISSING', 'this device does not hold the current keys of the workspace')
    }
    return this.#current
  }

  get(epoch: EpochId): EpochSecrets | undefined {
    const known = this.#secrets.get(epoch)
    if (known !== undefined) return known
    this.#refresh()
    return this.#combined.get(epoch)?.secrets
  }

  all(): EpochSecrets[] {
    return [...this.#secrets.values()]
  }

  /** The announced epochs behind an id: itself, or those that it combines. */
  parts(epoch: EpochId): EpochId[] {
    this.#refresh()
    return this.#combined.get(epoch)?.parts ?? [epoch]
  }

  /**
   * Ids of what is current, sorted: more than one after concurrent rotations. Epochs known from grants alone count where they are ahead of all that commits
   * announced: who has just joined must not write under keys that were replaced, and nobody can push aside what commits say.
   */
  tips(): EpochId[] {
    const announced = tipsOf([...this.#announced].filter(([, node]) => !node.void))
    const ancestors = this.#ancestors()
    const ahead = [...this.#granted].filter(
      ([id]) => !this.#announced.has(id) && announced.every((tip) => ancestors.get(id)?.has(tip)),
    )
    return ahead.length > 0 ? tipsOf(ahead) : announced
  }

  /** Everything, in the form that a grant takes. */
  granted(): GrantedEpoch[] {
    const nodes = this.#nodes()
    return this.all().map((secrets) => ({
      ...secrets,
      previous: nodes.get(secrets.id)?.previous ?? [],
    }))
  }

  #nodes(): Map<EpochId, EpochNode> {
    return new Map([...this.#granted, ...this.#announced])
  }

  #refresh(): void {
    if (!this.#stale) return
    this.#stale = false
    this.#combined.clear()
    this.#combineConcurrent()
    const tips = this.tips().map((id) => this.#secrets.get(id))
    const complete = tips.length > 0 && tips.every((secrets) => secrets !== undefined)
    this.#current = complete ? this.#combine(tips as EpochSecrets[]) : undefined
    if (this.#current !== undefined && tips.length > 1) this.#remember(this.tips(), this.#current)
  }

  /**
   * An author may have known only some of the epochs that stand side by side, and combined those. Its commit says nothing but the result's id, so
   * every combination of epochs of which none supersedes another is prepared.
   */
  #combineConcurrent(): void {
    const ancestors = this.#ancestors()
    const candidates = [...ancestors.keys()].filter((id) => this.#secrets.has(id)).sort()
    const concurrent = (a: EpochId, b: EpochId) => !ancestors.get(a)?.has(b) && !ancestors.get(b)?.has(a)
    let groups: EpochId[][] = candidates.map((id) => [id])
    while (groups.length > 0 && this.#combined.size < MAX_COMBINATIONS) {
      groups = groups.flatMap((group) =>
        candidates
          .filter((id) => id > (group.at(-1) as EpochId) && group.every((other) => concurrent(id, other)))
          .map((id) => [...group, id]),
      )
      for (const group of groups.slice(0, MAX_COMBINATIONS - this.#combined.size)) {
        const parts = group.map((id) => this.#secrets.get(id) as EpochSecrets)
        this.#remember(group, this.#combine(parts))
      }
    }
  }

  #combine(parts: readonly EpochSecrets[]): EpochSecrets {
    const name = parts.map(({ id }) => id).join()
    const combined = this.#derived.get(name) ?? combineEpochs(this.workspace, parts)
    this.#derived.set(name, combined)
    return combined
  }

  #remember(parts: EpochId[], secrets: EpochSecrets): void {
    this.#combined.set(secrets.id, { secrets, parts })
  }

  #ancestors(): Map<EpochId, Set<EpochId>> {
    const found = new Map<EpochId, Set<EpochId>>()
    const nodes = this.#nodes()
    for (const id of nodes.keys()) {
      const before = new Set<EpochId>()
      const open = [...(nodes.get(id)?.previous ?? [])]
      for (let next = open.pop(); next !== undefined; next = open.pop()) {
        if (before.has(next)) continue
        before.add(next)
        open.push(...(nodes.get(next)?.previous ?? []))
      }
      found.set(id, before)
    }
    return found
  }
}

function tipsOf(nodes: ReadonlyArray<[EpochId, EpochNode]>): EpochId[] {
  const superseded = new Set(nodes.flatMap(([, { previous }]) => previous))
  return nodes
    .map(([id]) => id)
    .filter((id) => !superseded.has(id))
    .sort()
}
