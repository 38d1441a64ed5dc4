import { type FolderActivity, type Peerfold, PeerfoldError, type TransferRates } from '@peerfold/core'
import { openPeerfold } from '../open-peerfold.js'
import type { OperationIo, OperationNeeds, ServiceCaller } from './operation.js'
import { OPERATIONS } from './operations.js'

/** A device with its operations, in this process. */
export interface Service extends ServiceCaller {
  readonly peerfold: Peerfold
  onActivity(listener: (workspace: string, activity: FolderActivity) => void): () => void
}

export interface ServiceInit {
  home: string
  /** How much of the device to bring up. */
  needs: OperationNeeds
  listen?: string[]
  mdns?: boolean
  rates?: TransferRates
  /** @default false */
  poll?: boolean
  signal?: AbortSignal
}

/** @throws {PeerfoldError} `HOME_LOCKED`, `HOME_INVALID`, `NO_IDENTITY` (when the folders are to run) */
export async function openService(init: ServiceInit): Promise<Service> {
  const { home, needs, listen, mdns, rates, poll, signal } = init
  const offline = needs === 'home' || needs === 'folders'
  const peerfold = await openPeerfold({ home, listen, mdns, rates, poll, offline, signal })
  try {
    if ((needs === 'all' || needs === 'folders') && peerfold.hasIdentity)
      await peerfold.folders.start({ paused: needs === 'folders', signal })
    return createService(peerfold)
  } catch (error) {
    await peerfold.close()
    throw error
  }
}

function createService(peerfold: Peerfold): Service {
  return {
    peerfold,
    call: async (name, params, io = {}) => {
      const operation = OPERATIONS[name]
      if (operation === undefined) throw new PeerfoldError('INVALID_ARGUMENT', `no such operation: ${name}`)
      return await operation.run(peerfold, params, withDefaults(io))
    },
    onActivity: (listener) => peerfold.folders.onActivity(listener),
    close: () => peerfold.close(),
  }
}

function withDefaults(io: Partial<OperationIo>): OperationIo {
  return {
    input: io.input ?? noInput(),
    write: io.write ?? (async () => {}),
    emit: io.emit ?? (() => {}),
    signal: io.signal ?? new AbortController().signal,
  }
}

async function* noInput(): AsyncGenerator<Uint8Array> {}
