import {
  type AbortOptions,
  type DeviceInfo,
  type IdentityOptions,
  type Live,
  type Peerfold,
  PeerfoldError,
  type Status,
} from '@peerfold/core'
import { type CallOptions, call } from './call.js'
import type { Links } from './links.js'
import { inviteRemotely } from './remote-invite.js'
import { RemoteWorkspace } from './remote-workspace.js'

/**
 * The device, used from here over messages: the same face, and the same errors. When its tab goes, another one runs it; calls that may be made
 * twice are, others fail with `NOT_CONNECTED`.
 */
export class RemotePeerfold implements Peerfold {
  readonly identity: Peerfold['identity']
  readonly devices: Peerfold['devices']
  readonly relays: Peerfold['relays']
  readonly workspaces: Peerfold['workspaces']
  readonly folders = NO_FOLDERS
  readonly #links: Links
  readonly #onClose: () => Promise<void>
  #closed: Promise<void> | undefined

  /** @param onClose is waited for by `close`, after the connection has ended */
  constructor(links: Links, onClose: () => Promise<void> = async () => {}) {
    this.#links = links
    this.#onClose = onClose
    const workspace = (listing: { id: string; name: string }) =>
      new RemoteWorkspace(links, links.mirror, listing)
    this.identity = {
      create: async ({ name, signal } = {}) => await this.#call('identity.create', { name }, { signal }),
      recover: async (phrase, { name, relays, signal } = {}) =>
        await this.#call('identity.recover', { phrase, name, relays }, { signal }),
    }
    this.devices = {
      invite: async (options) => await inviteRemotely(links, options),
      join: async (ticket, { name, signal }: IdentityOptions = {}) => {
        const joined = await this.#call<Listing[]>('devices.join', { ticket, name }, { signal })
        return joined.map(workspace)
      },
      list: async (options) => await this.#call('devices.list', {}, { ...options, repeat: true }),
      revoke: async (id, options) => await this.#call('devices.revoke', { id }, options),
    }
    this.relays = {
      add: async (address, options) =>
        await this.#call('relays.add', { address }, { ...options, repeat: true }),
      list: () => [...links.mirror.relays],
      remove: async (relay, options) => await this.#call('relays.remove', { relay }, options),
    }
    this.workspaces = {
      create: async (name, options) =>
        workspace(await this.#call<Listing>('workspaces.create', { name }, options)),
      open: async (id, options) =>
        workspace(await this.#call<Listing>('workspaces.open', { id }, { ...options, repeat: true })),
      list: async (options) => await this.#call('workspaces.list', {}, { ...options, repeat: true }),
      forget: async (id, options) => await this.#call('workspaces.forget', { id }, options),
      export: async () => {
        throw noFolders()
      },
    }
  }

  get hasIdentity(): boolean {
    return this.#links.mirror.hasIdentity
  }

  get device(): DeviceInfo {
    return this.#links.mirror.device
  }

  get status(): Live<Status> {
    return this.#links.mirror.status
  }

  async settled(options?: AbortOptions): Promise<void> {
    await this.#call('settled', {}, { ...options, repeat: true })
  }

  /** Ends this client; the device goes on for others. */
  async close(): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    this.#links.close()
    await this.#onClose()
  }

  async #call<T>(method: string, args: Record<string, unknown>, options?: CallOptions): Promise<T> {
    return await call<T>(this.#links, { method, args }, options)
  }
}

interface Listing {
  id: string
  name: string
}

const refuse = async (): Promise<never> => {
  throw noFolders()
}

/** As a device has them whose platform has no file system. */
const NO_FOLDERS: Peerfold['folders'] = {
  add: refuse,
  create: refuse,
  check: refuse,
  list: () => [],
  start: async () => {},
  get: () => undefined,
  pause: refuse,
  resume: refuse,
  onActivity: () => () => {},
  remove: refuse,
}

function noFolders(): PeerfoldError {
  return new PeerfoldError('INVALID_ARGUMENT', 'this platform has no folders', {
    hint: 'Use the workspace itself.',
  })
}
