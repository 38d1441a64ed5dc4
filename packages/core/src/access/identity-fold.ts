import type { DeviceId } from '../ports/ids.js'
import type { EntryId, IdentityEntry } from './identity-entry.js'
import type { DeviceCertificate, DeviceStanding } from './types.js'

/**
 * What a set of identity entries means (PROTOCOL.md §3.6): a pure function of the set, the same in every order of delivery.
 *
 * Entries contest each other. A revocation contests every entry by its device that lies outside its causal past; a restoration contests the
 * revocations of its device inside its causal past. An entry is *valid* when all that contest it are void and its signer is the root or was certified by
 * a valid entry in its causal past; it is *void* when something valid contests it, or nothing that could certify its signer is left. What
 * neither rule reaches is *undecided*: two devices that revoke each other, and what hangs on them, wait for the root.
 */
export type EntryLabel = 'valid' | 'void' | 'undecided'

export interface IdentityState {
  standings: Map<DeviceId, DeviceStanding>
  labels: Map<EntryId, EntryLabel>
  /** Entries that no other builds on, sorted. */
  heads: EntryId[]
}

interface Node {
  entry: IdentityEntry
  index: number
  /** One bit for each entry strictly before. */
  past: Uint32Array
  label: EntryLabel
  contesters: Node[]
  /** Undefined for what the root signed. */
  certifiers: Node[] | undefined
}

/** Entries whose causes are not all in the set are left out. */
export function foldIdentity(entries: Iterable<IdentityEntry>): IdentityState {
  const nodes = connect(sortCausally(entries))
  settle(nodes)
  return {
    standings: standingsOf(nodes),
    labels: new Map(nodes.map(({ entry, label }) => [entry.id, label])),
    heads: headsOf(nodes.map(({ entry }) => entry)),
  }
}

/** Causes before effects, the same order for the same set. Entries with a cause missing are left out. */
export function sortCausally(entries: Iterable<IdentityEntry>): IdentityEntry[] {
  const known = new Map([...entries].map((entry) => [entry.id, entry]))
  const missing = new Map<EntryId, number>()
  const effects = new Map<EntryId, IdentityEntry[]>()
  const ready: IdentityEntry[] = []
  for (const entry of [...known.values()].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    missing.set(entry.id, entry.prevs.length)
    if (entry.prevs.length === 0) ready.push(entry)
    for (const prev of entry.prevs) effects.set(prev, [...(effects.get(prev) ?? []), entry])
  }
  // `ready` grows while it is walked.
  for (const { id } of ready) {
    for (const effect of effects.get(id) ?? []) {
      const left = (missing.get(effect.id) as number) - 1
      missing.set(effect.id, left)
      if (left === 0) ready.push(effect)
    }
  }
  return ready
}

/** Those and everything that they build on, causes first. */
export function withCauses(
  known: ReadonlyMap<EntryId, IdentityEntry>,
  ids: Iterable<EntryId>,
): IdentityEntry[] {
  const found = new Map<EntryId, IdentityEntry>()
  const open = [...ids]
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const entry = found.has(id) ? undefined : known.get(id)
    if (entry === undefined) continue
    found.set(id, entry)
    open.push(...entry.prevs)
  }
  return sortCausally(found.values())
}

export function headsOf(entries: readonly IdentityEntry[]): EntryId[] {
  const builtOn = new Set(entries.flatMap(({ prevs }) => prevs))
  return entries
    .map(({ id }) => id)
    .filter((id) => !builtOn.has(id))
    .sort()
}

function connect(sorted: readonly IdentityEntry[]): Node[] {
  const nodes = nodesOf(sorted)
  const root = sorted.find(({ type }) => type === 'genesis')?.signerDevice
  const revocations = groupBy(nodes, ({ entry }) =>
    entry.type === 'revokeDevice' ? entry.device : undefined,
  )
  const restorations = groupBy(nodes, ({ entry }) =>
    entry.type === 'restoreDevice' && entry.signerDevice === root ? entry.device : undefined,
  )
  const additions = groupBy(nodes, ({ entry }) =>
    entry.type === 'addDevice' ? entry.request.certificate.device : undefined,
  )
  for (const node of nodes) {
    const { signerDevice } = node.entry
    if (node.entry.type === 'revokeDevice') {
      node.contesters = (restorations.get(node.entry.device) ?? []).filter((other) => before(node, other))
    }
    // The root key is no device: naming it revokes nothing, and nobody certifies it.
    if (signerDevice === root) continue
    const outside = (other: Node) => other !== node && !before(node, other)
    node.contesters = [...node.contesters, ...(revocations.get(signerDevice) ?? []).filter(outside)]
    node.certifiers = (additions.get(signerDevice) ?? []).filter((other) => before(other, node))
  }
  return nodes
}

function nodesOf(sorted: readonly IdentityEntry[]): Node[] {
  const words = Math.ceil(sorted.length / 32)
  const known = new Map<EntryId, Node>()
  return sorted.map((entry, index) => {
    const past = new Uint32Array(words)
    for (const prev of entry.prevs) include(past, known.get(prev) as Node)
    const node: Node = { entry, index, past, label: 'undecided', contesters: [], certifiers: undefined }
    known.set(entry.id, node)
    return node
  })
}

function include(past: Uint32Array, { index, past: inherited }: Node): void {
  for (let word = 0; word < past.length; word++)
    past[word] = (past[word] as number) | (inherited[word] as number)
  past[index >>> 5] = (past[index >>> 5] as number) | (1 << (index & 31))
}

function before(a: Node, b: Node): boolean {
  return (((b.past[a.index >>> 5] as number) >>> (a.index & 31)) & 1) === 1
}

function groupBy(nodes: readonly Node[], keyOf: (node: Node) => string | undefined): Map<string, Node[]> {
  const groups = new Map<string, Node[]>()
  for (const node of nodes) {
    const key = keyOf(node)
    if (key === undefined) continue
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [node])
    else group.push(node)
  }
  return groups
}

/** The least fixed point of the two rules: it does not depend on the order in which they are applied. */
function settle(nodes: readonly Node[]): void {
  let open = nodes
  for (let before = -1; before !== open.length; ) {
    before = open.length
    for (const node of open) node.label = labelOf(node)
    open = open.filter(({ label }) => label === 'undecided')
  }
}

function labelOf({ entry, contesters, certifiers }: Node): EntryLabel {
  // Only the root can restore: such an entry by a device says nothing.
  if (entry.type === 'restoreDevice' && certifiers !== undefined) return 'void'
  if (contesters.some(({ label }) => label === 'valid')) return 'void'
  if (certifiers?.every(({ label }) => label === 'void')) return 'void'
  if (!contesters.every(({ label }) => label === 'void')) return 'undecided'
  if (certifiers !== undefined && !certifiers.some(({ label }) => label === 'valid')) return 'undecided'
  return 'valid'
}

function standingsOf(nodes: readonly Node[]): Map<DeviceId, DeviceStanding> {
  const standings = new Map<DeviceId, DeviceStanding>()
  const named = groupBy(nodes, ({ entry }) => (entry.type === 'revokeDevice' ? entry.device : undefined))
  for (const [device, { certificate, label }] of certificatesOf(nodes)) {
    const revocations = (named.get(device) ?? []).map((node) => node.label)
    const state = revocations.includes('valid')
      ? 'revoked'
      : label === 'undecided' || revocations.includes('undecided')
        ? 'suspended'
        : 'active'
    standings.set(device, { certificate, state })
  }
  return standings
}

/** For each device its certificate that counts: a valid one before an undecided one, then the lowest entry id. */
function certificatesOf(nodes: readonly Node[]) {
  const found = new Map<DeviceId, { certificate: DeviceCertificate; label: EntryLabel; id: EntryId }>()
  for (const { entry, label } of nodes) {
    if (entry.type !== 'addDevice' || label === 'void') continue
    const { certificate } = entry.request
    const best = found.get(certificate.device)
    const rank = (candidate: { label: EntryLabel; id: EntryId }) =>
      `${candidate.label === 'valid' ? 0 : 1}${candidate.id}`
    const candidate = { certificate, label, id: entry.id }
    if (best === undefined || rank(candidate) < rank(best)) found.set(certificate.device, candidate)
  }
  return found
}
