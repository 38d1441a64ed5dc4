import { createWorkspace } from '../access/drafts.js'
import { epochKey } from '../access/epochs.js'
import { decodeGrant, encodeGrant, type Grant, openGrant, sealGrant } from '../access/grant.js'
import type { DeviceCertificate } from '../access/types.js'
import { openWorkspaceAccess, type WorkspaceAccess } from '../access/workspace-access.js'
import { Emitter } from '../async/emitter.js'
import { Mutex } from '../async/mutex.js'
import { isPeerfoldError, PeerfoldError } from '../errors.js'
import type { FeedSecrets } from '../log/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { WorkspaceHandle, WorkspaceId } from '../ports/ids.js'
import type { Acknowledgements } from './acknowledgements.js'
import type { PeerfoldComponents, WorkspaceStores } from './components.js'
import type { Connectivity } from './connectivity.js'
import type { IdentityStore } from './identity-store.js'
import type { DeviceJournal } from './journal.js'
import { type OpenWorkspaceInit, openWorkspace } from './open-workspace.js'
import type { WorkspaceRuntime } from './workspace-runtime.js'

export interface WorkspacesInit extends Pick<PeerfoldComponents, 'home' | 'crypto' | 'clock' | 'random'> {
  journal: DeviceJournal
  identity: IdentityStore
  acknowledgements: Acknowledgements
  connectivity(): Connectivity | undefined
  /** Whether the synced folder of a workspace, where there is one, has nothing left to apply. */
  folderRests(id: WorkspaceId): boolean
  onStatus(): void
  durable: OpenWorkspaceInit['durable']
}

const GRANT = 'workspace/'
const FEED = 'feed/'

/** The workspaces of this device: which there are, their keys, and each at work. */
export class Workspaces {
  readonly #init: WorkspacesInit
  readonly #open = new Map<WorkspaceId, WorkspaceRuntime>()
  readonly #events = new Emitter<{ change: () => void }>()
  /** Opening, making and forgetting take turns: two grants of one workspace may arrive together. */
  readonly #mutex = new Mutex()

  constructor(init: WorkspacesInit) {
    this.#init = init
  }

  /** Fires when there is another workspace, or the keys or the name of one changed. */
  onChange(listener: () => void): () => void {
    return this.#events.on('change', listener)
  }

  all(): WorkspaceRuntime[] {
    return [...this.#open.values()]
  }

  get(id: WorkspaceId): WorkspaceRuntime | undefined {
    return this.#open.get(id)
  }

  handles(): WorkspaceHandle[] {
    return this.all().map(({ handle }) => handle)
  }

  /** Under what the devices of each workspace look for each other. */
  discoveryKeys(): Uint8Array[] {
    return this.all().flatMap(({ access }) =>
      access.keyring.all().map((epoch) => epochKey(epoch, 'discovery')),
    )
  }

  /** By id, unique beginning of an id, or unique name. @throws {PeerfoldError} `WORKSPACE_NOT_FOUND`, `WORKSPACE_AMBIGUOUS` */
  find(wanted: string): WorkspaceRuntime {
    this.#init.identity.throwIfNone()
    const exact = this.#open.get(wanted)
    if (exact !== undefined) return exact
    const matches = ({ id, name }: WorkspaceRuntime) =>
      name === wanted || (wanted.length >= 4 && id.startsWith(wanted))
    const found = this.all().filter(matches)
    const [only] = found
    if (only === undefined) throw new PeerfoldError('WORKSPACE_NOT_FOUND', `no workspace ${wanted}`)
    if (found.length > 1) throw new PeerfoldError('WORKSPACE_AMBIGUOUS', `several workspaces match ${wanted}`)
    return only
  }

  async openAll(options?: AbortOptions): Promise<void> {
    const { journal } = this.#init
    for (const key of journal.keys(GRANT)) {
      const workspace = await this.#take(decodeGrant(journal.get(key) as Uint8Array), options)
      await rotate(workspace, options)
    }
  }

  /** @throws {PeerfoldError} `NAME_INVALID` */
  async create(name: string, options?: AbortOptions): Promise<WorkspaceRuntime> {
    const { identity, random } = this.#init
    const created = createWorkspace(random, identity.user)
    const workspace = await this.#take({ ...created, name: undefined }, options)
    try {
      await workspace.log.commit(async () => {
        return { updates: [], operations: await workspace.access.draftGenesis(name, options) }
      }, options)
    } catch (error) {
      await this.forget(workspace.id)
      throw error
    }
    return workspace
  }

  /** Drops a workspace from this device, blocks and all. */
  async forget(id: WorkspaceId): Promise<void> {
    await this.#mutex.run(async () => {
      const workspace = this.#open.get(id)
      await workspace?.close()
      this.#open.delete(id)
      if (workspace !== undefined) await this.#init.acknowledgements.forget(workspace.handle)
      await this.#init.journal.set([
        [GRANT + id, undefined],
        [FEED + id, undefined],
      ])
      await this.#init.home.removeWorkspace(id)
    })
    this.#events.emit('change')
  }

  /** What another device of the user needs to open the workspaces of this one. */
  async grantsFor(to: DeviceCertificate, options?: AbortOptions): Promise<Uint8Array[]> {
    const { crypto, random, identity } = this.#init
    const seal = { crypto, random, secrets: identity.secrets, to }
    return await Promise.all(this.all().map(({ access }) => sealGrant(seal, access.grant(), options)))
  }

  /** Takes what another device of the user granted. @throws {PeerfoldError} `CERTIFICATE_INVALID` */
  async accept(
    from: DeviceCertificate,
    grants: readonly Uint8Array[],
    options?: AbortOptions,
  ): Promise<void> {
    const { crypto, identity } = this.#init
    for (const bytes of grants) {
      const grant = await openGrant({ crypto, secrets: identity.secrets, from }, bytes, options)
      // Only this user's own: what others share will come by invitation.
      if (grant.genesis.creator !== identity.user)
        throw new PeerfoldError('CERTIFICATE_INVALID', 'a grant of a workspace of another user')
      const known = this.#open.get(grant.genesis.id)
      if (known === undefined) await this.#take(grant, options)
      else await known.access.learn(grant.epochs, options)
    }
  }

  /** Opens workspaces whose grants a recovery bundle holds. */
  async adopt(grants: readonly Grant[], options?: AbortOptions): Promise<void> {
    for (const grant of grants) {
      const workspace = await this.#take(grant, options)
      await workspace.access.learn(grant.epochs, options)
    }
  }

  /** New keys wherever a device that was removed still reads. */
  async rotateAll(options?: AbortOptions): Promise<void> {
    for (const workspace of this.all()) await rotate(workspace, options)
  }

  /** Ends the work of all, the stores last. */
  async close(): Promise<void> {
    await this.#mutex.run(async () => {
      await Promise.all(this.all().map((workspace) => workspace.close()))
    })
    this.#events.clear()
  }

  /** Keys are in the journal before the workspace opens: a crash leaves an empty workspace, never one without keys. */
  async #take(grant: Grant, options?: AbortOptions): Promise<WorkspaceRuntime> {
    const { id } = grant.genesis
    const opened = await this.#mutex.run(async () => {
      const known = this.#open.get(id)
      if (known !== undefined) return known
      await this.#init.journal.set([[GRANT + id, encodeGrant(grant)]], options)
      const workspace = await this.#openOne(grant, options)
      this.#open.set(id, workspace)
      return workspace
    })
    this.#events.emit('change')
    this.#init.onStatus()
    return opened
  }

  /** A workspace's log may tell of devices, and of removals, that no session has told of: whoever made them may never be met. */
  async #learnDevices(access: WorkspaceAccess): Promise<void> {
    const { identity } = this.#init
    const known = identity.identity.entries
    const fresh = access.identityEntries().filter(({ id }) => !known.has(id))
    if (fresh.length === 0) return
    await identity.merge(fresh.map(({ bytes }) => bytes)).catch(() => {})
  }

  async #openOne(grant: Grant, options?: AbortOptions): Promise<WorkspaceRuntime> {
    const { home, crypto, clock, random, identity, journal, connectivity } = this.#init
    const { id } = grant.genesis
    const stores = await home.workspace(id, options)
    try {
      const access = await openWorkspaceAccess(
        {
          crypto,
          random,
          genesis: grant.genesis,
          secrets: identity.secrets,
          identity: () => identity.identity,
          epochs: grant.epochs,
          index: stores.index,
        },
        options,
      )
      const learn = () => void this.#learnDevices(access)
      access.onChange(() => {
        learn()
        void journal.set([[GRANT + id, encodeGrant(access.grant())]]).then(() => this.#events.emit('change'))
        this.#init.onStatus()
      })
      const { sync, exchange } = connectivity() ?? {}
      learn()
      return await openWorkspace(
        {
          stores,
          access,
          grantedName: grant.name,
          feed: feedSecrets(journal, id),
          crypto,
          clock,
          random,
          sync,
          exchange,
          earlier: this.#init.acknowledgements.stored(access.handle),
          deviceName: (device) => identity.nameOf(device),
          onChange: this.#init.onStatus,
          folderRests: () => this.#init.folderRests(id),
          durable: this.#init.durable,
        },
        options,
      )
    } catch (error) {
      await closeStores(stores)
      throw error
    }
  }
}

async function closeStores({ log, blocks, index }: WorkspaceStores): Promise<void> {
  await Promise.all([log.close(), blocks.close(), index.close()])
}

/** Names revocations that no commit names yet and starts new keys. A device that is out itself leaves that to the others. */
async function rotate({ log, access }: WorkspaceRuntime, options?: AbortOptions): Promise<void> {
  try {
    await log.commit(async () => {
      const operations = await access.draftRotation(options)
      return operations === undefined ? undefined : { updates: [], operations }
    }, options)
  } catch (error) {
    if (!isPeerfoldError(error, 'DEVICE_REVOKED') && !isPeerfoldError(error, 'KEY_MISSING')) throw error
  }
}

function feedSecrets(journal: DeviceJournal, workspace: WorkspaceId): FeedSecrets {
  const key = FEED + workspace
  return {
    load: async () => journal.get(key),
    save: (seed) => journal.set([[key, seed]]),
  }
}
