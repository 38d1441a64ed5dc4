import { fromUtf8, toUtf8 } from '../encoding/bytes.js'
import { FileSystemError, isPeerfoldError, PeerfoldError } from '../errors.js'
import { openFolder } from '../folder/open-folder.js'
import type { FolderActivity, FolderSource, FolderSync } from '../folder/types.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { WorkspaceId } from '../ports/ids.js'
import type { Random } from '../ports/random.js'
import type { Disk } from './components.js'
import type { DeviceJournal } from './journal.js'

export interface FoldersInit {
  disk: Disk
  journal: DeviceJournal
  clock: Clock
  random: Random
  source(workspace: WorkspaceId): Promise<FolderSource>
  /** A folder's state changed. */
  onStatus(workspace: WorkspaceId): void
}

export interface FolderFailure {
  code: string
  message: string
  hint: string
}

const BINDING = 'folder/'
/** Present while a person has the folder of a workspace paused. */
const PAUSED = 'paused/'

/** Which workspace lies in which directory on this device, and the engines that keep them equal. */
export class Folders {
  readonly #init: FoldersInit
  readonly #running = new Map<WorkspaceId, FolderSync>()
  readonly #failures = new Map<WorkspaceId, FolderFailure>()
  readonly #listeners = new Set<(workspace: WorkspaceId, activity: FolderActivity) => void>()

  constructor(init: FoldersInit) {
    this.#init = init
  }

  list(): Array<{ workspace: WorkspaceId; directory: string; paused: boolean }> {
    const { journal } = this.#init
    return journal.keys(BINDING).map((key) => {
      const workspace = key.slice(BINDING.length)
      const directory = fromUtf8(journal.get(key) as Uint8Array)
      return { workspace, directory, paused: journal.get(PAUSED + workspace) !== undefined }
    })
  }

  get(workspace: WorkspaceId): FolderSync | undefined {
    return this.#running.get(workspace)
  }

  /** Why a bound directory could not be started. */
  failure(workspace: WorkspaceId): FolderFailure | undefined {
    return this.#failures.get(workspace)
  }

  onActivity(listener: (workspace: WorkspaceId, activity: FolderActivity) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * @returns the canonical form of the directory
   * @throws {PeerfoldError} `FOLDER_NOT_FOUND`, `FOLDER_NESTED`, `FOLDER_IN_USE`
   */
  async check(directory: string, workspace?: WorkspaceId): Promise<string> {
    const { disk } = this.#init
    const located = await disk.locate(directory)
    const stat = await disk.files.lstat(located.directory).catch((cause: unknown) => {
      throw folderNotFound(directory, cause)
    })
    if (stat.type !== 'folder') throw folderNotFound(directory)
    await this.#checkHome(directory, located)
    for (const bound of this.list()) {
      if (bound.workspace === workspace) continue
      if (bound.directory === located.directory)
        throw new PeerfoldError('FOLDER_IN_USE', `${directory} belongs to another workspace already`)
      const { ancestors } = await disk.locate(bound.directory)
      if (located.ancestors.includes(bound.directory) || ancestors.includes(located.directory))
        throw new PeerfoldError('FOLDER_NESTED', `${directory} and ${bound.directory} lie inside one another`)
    }
    await this.#checkMarkers(directory, located.ancestors)
    return located.directory
  }

  /** A device that synced its own keys, logs and blocks would never come to an end, and give them away. */
  async #checkHome(
    directory: string,
    located: { directory: string; ancestors: readonly string[] },
  ): Promise<void> {
    const { disk } = this.#init
    const home = await disk.locate(disk.home)
    const around = [home.directory, ...home.ancestors].includes(located.directory)
    if (around || located.ancestors.includes(home.directory))
      throw new PeerfoldError(
        'FOLDER_NESTED',
        `${directory} and the home of this device lie inside one another`,
        {
          hint: 'Choose another folder, or another --home.',
        },
      )
  }

  /** Folders of other homes and of other people's devices carry a marker too. */
  async #checkMarkers(directory: string, ancestors: readonly string[]): Promise<void> {
    const { files } = this.#init.disk
    for (const ancestor of ancestors) {
      try {
        await files.lstat(files.join(ancestor, '.peerfold', 'folder.json'))
      } catch (error) {
        if (error instanceof FileSystemError) continue
        throw error
      }
      throw new PeerfoldError('FOLDER_NESTED', `${directory} lies inside the synced folder ${ancestor}`)
    }
  }

  async add(workspace: WorkspaceId, directory: string, options?: AbortOptions): Promise<FolderSync> {
    const canonical = await this.check(directory, workspace)
    const bound = this.list().find((folder) => folder.workspace === workspace)
    if (bound !== undefined && bound.directory !== canonical)
      throw new PeerfoldError('FOLDER_IN_USE', `the workspace lies in ${bound.directory} already`, {
        hint: 'A workspace has one folder on a device.',
      })
    await this.#init.journal.set([[BINDING + workspace, toUtf8(canonical)]], options)
    try {
      return await this.#open(workspace, canonical, options)
    } catch (error) {
      if (bound === undefined) await this.#init.journal.set([[BINDING + workspace, undefined]])
      throw error
    }
  }

  /** @param options.paused for looking only */
  async start(options: AbortOptions & { paused?: boolean } = {}): Promise<void> {
    for (const { workspace, directory } of this.list()) {
      try {
        await this.#open(workspace, directory, options)
      } catch (error) {
        options.signal?.throwIfAborted()
        this.#failures.set(workspace, describe(error))
        this.#init.onStatus(workspace)
      }
    }
  }

  /** @throws {PeerfoldError} `FOLDER_NOT_FOUND` */
  async pause(workspace: WorkspaceId, options?: AbortOptions): Promise<void> {
    this.#throwIfNone(workspace)
    await this.#init.journal.set([[PAUSED + workspace, new Uint8Array()]], options)
    await this.#running.get(workspace)?.pause()
    this.#init.onStatus(workspace)
  }

  /** @throws {PeerfoldError} `FOLDER_NOT_FOUND` */
  async resume(workspace: WorkspaceId, options?: AbortOptions): Promise<void> {
    this.#throwIfNone(workspace)
    await this.#init.journal.set([[PAUSED + workspace, undefined]], options)
    await this.#running.get(workspace)?.resume()
    this.#init.onStatus(workspace)
  }

  #throwIfNone(workspace: WorkspaceId): void {
    if (this.list().some((bound) => bound.workspace === workspace)) return
    throw new PeerfoldError('FOLDER_NOT_FOUND', 'the workspace has no folder on this device', {
      hint: 'Give it one with `peerfold add FOLDER` or `peerfold join TICKET --folder FOLDER`.',
    })
  }

  async remove(workspace: WorkspaceId): Promise<void> {
    await this.#running.get(workspace)?.close()
    this.#running.delete(workspace)
    await this.#init.journal.set([
      [BINDING + workspace, undefined],
      [PAUSED + workspace, undefined],
    ])
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((folder) => folder.close()))
    this.#running.clear()
  }

  async #open(
    workspace: WorkspaceId,
    directory: string,
    options?: AbortOptions & { paused?: boolean },
  ): Promise<FolderSync> {
    const existing = this.#running.get(workspace)
    if (existing !== undefined) return existing
    const { disk, clock, random, source, journal } = this.#init
    const folder = await openFolder(
      {
        source: await source(workspace),
        directory,
        files: disk.files,
        watcher: disk.watcher,
        journal: await disk.journal(workspace),
        clock,
        random,
        paused: options?.paused === true || journal.get(PAUSED + workspace) !== undefined,
      },
      options,
    )
    this.#running.set(workspace, folder)
    this.#failures.delete(workspace)
    folder.on('status', () => this.#init.onStatus(workspace))
    folder.on('activity', (activity) => {
      for (const listener of [...this.#listeners]) listener(workspace, activity)
    })
    return folder
  }
}

function folderNotFound(directory: string, cause?: unknown): PeerfoldError {
  return new PeerfoldError('FOLDER_NOT_FOUND', `no such folder: ${directory}`, {
    cause,
    details: { directory },
  })
}

function describe(error: unknown): FolderFailure {
  const known = isPeerfoldError(error)
    ? error
    : new PeerfoldError('IO_FAILED', error instanceof Error ? error.message : String(error))
  return { code: known.code, message: known.message, hint: known.hint }
}
