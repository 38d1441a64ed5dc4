import { identityBytes } from '../access/identity-log.js'
import { parsePhrase } from '../access/phrase.js'
import type { DeviceInfo, IdentityOptions, Peerfold, Status } from '../api.js'
import { Wakeup } from '../async/wakeup.js'
import { PeerfoldError } from '../errors.js'
import type { TransferRates } from '../exchange/types.js'
import type { ExportOptions, ExportReport } from '../export/types.js'
import type { FolderActivity, FolderSync } from '../folder/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { DeviceId, WorkspaceId } from '../ports/ids.js'
import type { Live, Workspace } from '../workspace/types.js'
import { Acknowledgements } from './acknowledgements.js'
import type { PeerfoldComponents } from './components.js'
import { Connectivity } from './connectivity.js'
import type { CopiesParts } from './copies.js'
import { Devices } from './devices.js'
import { type DurableParts, durable } from './durable.js'
import { exportRuntime } from './export.js'
import { Folders } from './folders.js'
import { IdentityStore } from './identity-store.js'
import { type DeviceJournal, openDeviceJournal } from './journal.js'
import { LiveStatus } from './live-status.js'
import { Presence } from './presence.js'
import { fetchBundles } from './relays/recovery.js'
import { parseRelay, RelayBook } from './relays/relay-book.js'
import { relaysApi } from './relays/relays-api.js'
import { settle } from './settle.js'
import { computeStatus, type StatusParts } from './status.js'
import { DeviceAuthority } from './sync-authority.js'
import { Workspaces } from './workspaces.js'

export interface CreatePeerfoldOptions extends AbortOptions {
  /** Name of this device, where the identity does not say another. */
  name: string
  /** @default as fast as can be */
  rates?: TransferRates
}

/**
 * Opens a device over what a platform gives it. Platform packages call this; apps call their `openPeerfold`.
 *
 * Takes over `components.home` and `components.crypto`: `close` closes them.
 */
export async function createPeerfold(
  components: PeerfoldComponents,
  options: CreatePeerfoldOptions,
): Promise<Peerfold> {
  const { home, crypto, clock, random } = components
  const journal = await openDeviceJournal(
    { store: await home.journal(options), key: home.key, crypto, random },
    options,
  )
  try {
    const identity = await IdentityStore.open({ journal, wrapKey: home.key, crypto, clock, random }, options)
    const device = new Device(components, options, journal, identity)
    await device.open(options)
    return device
  } catch (error) {
    await journal.close()
    throw error
  }
}

class Device implements Peerfold {
  readonly #components: PeerfoldComponents
  readonly #name: string
  readonly #rates: TransferRates | undefined
  readonly #journal: DeviceJournal
  readonly #identity: IdentityStore
  readonly #acknowledgements: Acknowledgements
  readonly #workspaces: Workspaces
  readonly #folders: Folders | undefined
  readonly #book: RelayBook
  readonly #changed = new Wakeup()
  #connectivity: Connectivity | undefined
  #presence: Presence
  #status: LiveStatus | undefined
  #closed: Promise<void> | undefined

  readonly identity: Peerfold['identity']
  readonly devices: Peerfold['devices']
  readonly relays: Peerfold['relays']
  readonly workspaces: Peerfold['workspaces']
  readonly folders: Peerfold['folders']

  constructor(
    components: PeerfoldComponents,
    { name, rates }: CreatePeerfoldOptions,
    journal: DeviceJournal,
    identity: IdentityStore,
  ) {
    this.#components = components
    this.#name = name
    this.#rates = rates
    this.#journal = journal
    this.#identity = identity
    const { disk, clock, random } = components
    const sync = () => this.#connectivity?.sync
    this.#book = new RelayBook(journal)
    this.#acknowledgements = new Acknowledgements({ journal, clock, sync })
    const earlier = (id: DeviceId) => this.#acknowledgements.lastSeen(id)
    this.#presence = new Presence(undefined, () => clock.now(), earlier)
    this.#workspaces = new Workspaces({
      ...components,
      journal,
      identity,
      acknowledgements: this.#acknowledgements,
      connectivity: () => this.#connectivity,
      folderRests: (id) => this.#folderRests(id),
      onStatus: () => this.#touch(),
      durable: (workspace, copies, options) => durable(this.#durableParts(), workspace, copies, options),
    })
    this.#folders =
      disk === undefined
        ? undefined
        : new Folders({
            disk,
            journal,
            clock,
            random,
            source: async (id) => this.#workspaces.find(id).folderSource,
            onStatus: (id) => {
              this.#workspaces.get(id)?.settle()
              this.#status?.touch()
            },
          })
    const devices = new Devices({
      ...components,
      identity,
      workspaces: this.#workspaces,
      presence: () => this.#presence,
      relays: this.#book,
      connectivity: () => this.#online(),
      begin: (options) => this.#begin(options),
    })
    this.identity = {
      create: (options) => this.#createIdentity(options),
      recover: (phrase, options) => this.#recoverIdentity(phrase, options),
    }
    this.devices = {
      invite: (options) => devices.invite(options),
      join: async (ticket, options) => {
        await devices.join(ticket, options?.name ?? this.#name, options)
        return this.#workspaces.all().map((workspace) => workspace.openFacade())
      },
      list: async () => devices.list(),
      revoke: (id, options) => devices.revoke(id, options),
    }
    this.relays = relaysApi(this.#book, () => this.#connectivity?.relays)
    this.workspaces = {
      create: async (workspace, options) => (await this.#workspaces.create(workspace, options)).openFacade(),
      open: async (id) => this.#workspaces.find(id).openFacade(),
      list: async () =>
        this.#workspaces.all().map((workspace) => ({ id: workspace.id, name: workspace.name })),
      forget: (id) => this.#forget(id),
      export: (id, directory, options) => this.#export(id, directory, options),
    }
    this.folders = {
      add: (id, directory, options) => this.#disk().add(this.#workspaces.find(id).id, directory, options),
      create: (workspace, directory, options) => this.#createFolder(workspace, directory, options),
      check: async (directory) => void (await this.#disk().check(directory)),
      list: () => this.#folders?.list() ?? [],
      start: async (options) => await this.#folders?.start(options),
      get: (id) => this.#folders?.get(id),
      pause: (id, options) => this.#disk().pause(id, options),
      resume: (id, options) => this.#disk().resume(id, options),
      onActivity: (listener: (workspace: WorkspaceId, activity: FolderActivity) => void) =>
        this.#folders?.onActivity(listener) ?? (() => {}),
      remove: (id) => this.#disk().remove(id),
    }
  }

  async open(options?: AbortOptions): Promise<void> {
    const { network, crypto, clock, random } = this.#components
    if (network !== undefined) {
      this.#connectivity = new Connectivity({
        network: await network({ peerSeed: this.#identity.secrets.peerSeed }, options),
        identity: this.#identity,
        authority: new DeviceAuthority(this.#identity, this.#workspaces),
        journal: this.#journal,
        crypto,
        clock,
        random,
        rates: this.#rates,
        book: this.#book,
        discoveryKeys: () => this.#workspaces.discoveryKeys(),
        workspaces: () => this.#workspaces.all(),
        poll: this.#components.poll,
        fetchBlocks: this.#components.fetchBlocks,
        lossy: this.#components.home.lossy ?? false,
        onStatus: () => this.#noticed(),
      })
      const { sync, dialer } = this.#connectivity
      const earlier = (id: DeviceId) => this.#acknowledgements.lastSeen(id)
      this.#presence = new Presence(sync, () => clock.now(), earlier)
      sync.on('progress', (_, handle) => this.#acknowledgements.note(handle))
      for (const event of ['open', 'closed', 'progress'] as const) sync.on(event, () => this.#noticed())
      dialer.on('problem', () => this.#status?.touch())
    }
    try {
      if (this.#identity.hasIdentity) await this.#begin(options)
    } catch (error) {
      await this.#connectivity?.close()
      throw error
    }
  }

  get hasIdentity(): boolean {
    return this.#identity.hasIdentity
  }

  get device(): DeviceInfo {
    const { keys, user, own } = this.#identity
    return { id: keys.device, name: own?.certificate.name ?? this.#name, user, peer: keys.peer }
  }

  get status(): Live<Status> {
    if (this.#status === undefined) throw new PeerfoldError('NO_IDENTITY', 'this device has no identity yet')
    return this.#status
  }

  async settled(options?: AbortOptions): Promise<void> {
    this.#identity.throwIfNone()
    await settle(
      {
        clock: this.#components.clock,
        folders: this.#folders,
        connectivity: this.#connectivity,
        workspaces: () => this.#workspaces.all(),
        others: () => this.#identity.others().map(({ peer }) => peer),
      },
      options,
    )
    await this.#status?.refresh()
  }

  async close(): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** From here on this device has a user: its workspaces open, and it talks to the user's other devices. */
  async #begin(options?: AbortOptions): Promise<void> {
    await this.#workspaces.openAll(options)
    const parts: StatusParts = {
      ...this.#copiesParts(),
      presence: this.#presence,
      folders: this.#folders,
      sync: this.#connectivity?.sync,
      carrier: (peer) => this.#connectivity?.carrier(peer),
      addresses: () => this.#connectivity?.network.addresses() ?? [],
      workspaces: () => this.#workspaces.all(),
      problem: () => this.#connectivity?.dialer.problem,
    }
    const compute = () => computeStatus(parts)
    this.#status = new LiveStatus({ clock: this.#components.clock, compute }, await compute())
    this.#identity.onChange(() => this.#status?.touch())
    await this.#connectivity?.start()
  }

  async #createIdentity({ name = this.#name, signal }: IdentityOptions = {}): Promise<{ phrase: string }> {
    const created = await this.#identity.create(name, { signal })
    await this.#begin({ signal })
    return created
  }

  /** Relays are asked first: a phrase that none of them knows leaves nothing behind. */
  async #recoverIdentity(
    phrase: string,
    { name = this.#name, relays = [], signal }: IdentityOptions & { relays?: readonly string[] } = {},
  ): Promise<void> {
    this.#identity.throwIfExists()
    const known = relays.map(parseRelay)
    const { crypto, clock } = this.#components
    const bundles =
      known.length === 0
        ? []
        : await fetchBundles({ network: this.#online().network, crypto, clock }, parsePhrase(phrase), known, {
            signal,
          })
    await this.#identity.recover(phrase, name, { signal })
    for (const { identity } of bundles) await this.#identity.merge(identityBytes(identity), { signal })
    await this.#begin({ signal })
    for (const { grants } of bundles) await this.#workspaces.adopt(grants, { signal })
    const addresses = [...relays, ...bundles.flatMap((bundle) => bundle.relays)]
    for (const address of new Set(addresses)) await this.#book.add(address, { signal })
  }

  #durableParts(): DurableParts {
    return { ...this.#copiesParts(), changed: (options) => this.#changed.wait(options) }
  }

  #noticed(): void {
    this.#status?.touch()
    this.#changed.wake()
  }

  #copiesParts(): CopiesParts {
    return {
      identity: this.#identity,
      acknowledgements: this.#acknowledgements,
      relays: this.#connectivity?.relays,
      lossy: this.#components.home.lossy ?? false,
    }
  }

  /** Something that status shows has changed; what came may be what relays wait for. */
  #touch(): void {
    this.#noticed()
    if (this.#workspaces.all().every(({ complete }) => complete)) this.#connectivity?.relays.wake()
  }

  async #createFolder(
    name: string,
    directory: string,
    options?: AbortOptions,
  ): Promise<{ workspace: Workspace; folder: FolderSync }> {
    this.#identity.throwIfNone()
    const folders = this.#disk()
    await folders.check(directory)
    const created = await this.#workspaces.create(name, options)
    try {
      return { workspace: created.openFacade(), folder: await folders.add(created.id, directory, options) }
    } catch (error) {
      await this.#forget(created.id)
      throw error
    }
  }

  async #export(id: WorkspaceId, directory: string, options: ExportOptions = {}): Promise<ExportReport> {
    const { disk, clock, random } = this.#components
    if (disk === undefined) throw noDisk()
    const workspace = this.#workspaces.find(id)
    // Without any other device there is nobody to wait for.
    const alone = this.#connectivity === undefined || this.#identity.others().length === 0
    const patient = alone ? { patienceMs: 0, ...options } : options
    return await exportRuntime({ disk, clock, random }, workspace, directory, patient)
  }

  async #forget(id: WorkspaceId): Promise<void> {
    const workspace = this.#workspaces.find(id)
    await this.#folders?.remove(workspace.id)
    await this.#workspaces.forget(workspace.id)
    this.#status?.touch()
  }

  #disk(): Folders {
    if (this.#folders === undefined) throw noDisk()
    return this.#folders
  }

  #online(): Connectivity {
    if (this.#connectivity === undefined)
      throw new PeerfoldError('NO_PATH', 'this device was opened offline', {
        hint: 'Open it without `offline`.',
      })
    return this.#connectivity
  }

  #folderRests(id: WorkspaceId): boolean {
    const folder = this.#folders?.get(id)
    return folder === undefined || folder.status().state !== 'syncing'
  }

  async #close(): Promise<void> {
    await this.#folders?.close()
    await this.#status?.close()
    await this.#acknowledgements.close()
    await this.#workspaces.close()
    await this.#connectivity?.close()
    await this.#journal.close()
    await this.#components.crypto.close()
    await this.#components.home.close()
  }
}

function noDisk(): PeerfoldError {
  return new PeerfoldError('INVALID_ARGUMENT', 'this platform has no folders', {
    hint: 'Use the workspace itself.',
  })
}
