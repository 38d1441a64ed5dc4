import { FileSystemError, isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { Clock } from '../ports/clock.js'
import type { FileStat, FileSystem } from '../ports/file-system.js'
import type { LogStore } from '../ports/log-store.js'
import type { Random } from '../ports/random.js'
import type { Watcher } from '../ports/watcher.js'
import { type FolderContext, IssueList } from './context.js'
import { POSIX_DISK, probeDisk } from './disk-traits.js'
import { FolderEngine } from './engine.js'
import { fingerprintOf, NO_FINGERPRINT } from './fingerprint.js'
import { FolderLoop } from './folder-sync.js'
import { statAbsolute } from './guard.js'
import { IgnoreFiles } from './ignore.js'
import { Journal } from './journal.js'
import { MergedTree } from './merged-tree.js'
import { POSIX_NAMES } from './names.js'
import { PATIENCE, type PatienceInit } from './patience.js'
import { recover } from './recover.js'
import {
  type FolderMarker,
  makeStateDirectories,
  randomId,
  readMarker,
  type StatePaths,
  statePaths,
  writeMarker,
} from './state-directory.js'
import { SyncedTree } from './synced-tree.js'
import { TRASH_LIMITS, type TrashLimits } from './trash.js'
import type { FolderSource, FolderSync } from './types.js'

export interface OpenFolderInit {
  source: FolderSource
  /** Absolute path of an existing directory, not a link to one. */
  directory: string
  files: FileSystem
  watcher: Watcher
  /** This device's journal of this folder, and of nothing else. Closed with the folder, or when it can't be opened. */
  journal: LogStore
  clock: Clock
  random: Random
  /** @default 30 days, 20 GiB */
  trash?: Partial<TrashLimits>
  /** How long to wait for files to rest. */
  patience?: Partial<PatienceInit>
  /** Look only, until `resume`. @default false */
  paused?: boolean
}

/**
 * Keeps a directory equal to a workspace until it is closed.
 *
 * @throws {PeerfoldError} `FOLDER_NOT_FOUND`, `FOLDER_IN_USE` (it belongs to another workspace), `FOLDER_NESTED`. A folder that was synced before
 * and is not there now opens in the state `error` with `FOLDER_MISSING`, and goes on when it is back.
 * @example
 * ```ts
 * const folder = await openFolder({ source, directory: '/home/ann/notes', files, watcher, journal, clock, random })
 * folder.on('activity', ({ direction, action, path }) => console.log(direction, action, path))
 * await folder.settled({ signal: AbortSignal.timeout(60_000) })
 * await folder.close()
 * ```
 */
export async function openFolder(init: OpenFolderInit, options: AbortOptions = {}): Promise<FolderSync> {
  try {
    const opened = await assemble(init, options)
    opened.loop.start(await isThere(opened), init.paused)
    return opened.loop
  } catch (error) {
    await init.journal.close()
    throw error
  }
}

/** False for a folder that was synced before and is missing now. */
async function isThere(opened: Assembled): Promise<boolean> {
  try {
    await opened.prepare()
    return true
  } catch (error) {
    if (error instanceof PeerfoldError && error.code === 'FOLDER_MISSING') return false
    throw error
  }
}

interface Assembled {
  loop: FolderLoop
  engine: FolderEngine
  prepare(): Promise<void>
}

/** The parts of a folder's engine, joined, with nothing running yet. */
export async function assemble(init: OpenFolderInit, options: AbortOptions = {}): Promise<Assembled> {
  const { source, files, clock, random, directory } = init
  const stop = new AbortController()
  const synced = new SyncedTree()
  const journal = await Journal.open(init.journal, synced, options)
  const paths = statePaths(files, directory)
  const merged = new MergedTree(source.tree, POSIX_NAMES)
  const folder: FolderContext = {
    source,
    files,
    clock,
    random,
    directory,
    disk: emptyDisk(),
    synced,
    merged,
    journal,
    traits: POSIX_DISK,
    ignore: new IgnoreFiles(files, directory, paths),
    issues: new IssueList(),
    leftovers: new Set(),
    signal: stop.signal,
    activity: (activity) => loop.tell(activity),
  }
  const guard = new MarkerGuard(folder, paths)
  const engine = new FolderEngine({
    folder,
    paths,
    patience: { ...PATIENCE, ...init.patience },
    trash: { ...TRASH_LIMITS, ...init.trash },
    checkMarker: () => guard.check(),
    wake: () => loop.wake(),
    onRules: () => loop.watchAnew(),
  })
  const prepare = async () => {
    await guard.prepare()
    folder.traits = await probeDisk(files, paths.tmp, random)
    merged.useNames(folder.traits.names)
    await loadRules(folder)
    await recover(folder, paths)
    await engine.trash.checkAll()
  }
  const loop: FolderLoop = new FolderLoop({
    folder,
    engine,
    watcher: init.watcher,
    prepare,
    stop,
    end: () => init.journal.close(),
  })
  const unsubscribe = source.onChange((changes) => {
    merged.mark(changes.map((change) => change.item))
    loop.merged()
  })
  stop.signal.addEventListener('abort', unsubscribe)
  return { loop, engine, prepare }
}

/** Before the first watch is set up. Rules that can't be read are reported by the rounds, which do nothing then. */
async function loadRules({ ignore, clock, signal }: FolderContext): Promise<void> {
  try {
    await ignore.refresh(clock.monotonic(), { signal })
  } catch (error) {
    if (!isPeerfoldError(error, 'IGNORE_UNREADABLE')) throw error
  }
}

function emptyDisk(): FolderContext['disk'] {
  return { name: '', kind: 'folder', type: 'folder', print: NO_FINGERPRINT, seenAt: 0 }
}

/** Tells the synced folder from an empty mount point, another folder, and none at all. */
class MarkerGuard {
  #inode: { dev: bigint; ino: bigint } | undefined

  constructor(
    private readonly folder: FolderContext,
    private readonly paths: StatePaths,
  ) {}

  /** Finds or makes the marker. */
  async prepare(): Promise<void> {
    const { folder, paths } = this
    const known = folder.journal.folder
    const root = await rootStat(folder)
    if (root === undefined) {
      if (known !== undefined) throw missing(folder.directory)
      throw new PeerfoldError('FOLDER_NOT_FOUND', `${folder.directory} is not a directory`)
    }
    folder.disk.print = fingerprintOf(root)
    const marker = await readMarker(folder.files, paths)
    if (marker === undefined) await this.#join(known)
    else await this.#recognise(marker, known)
    await makeStateDirectories(folder.files, paths)
    this.#inode = await folder.files.lstat(paths.marker)
  }

  async #join(known: string | undefined): Promise<void> {
    const { folder, paths } = this
    if (known !== undefined) throw missing(folder.directory)
    await refuseNested(folder)
    const marker: FolderMarker = { version: 1, workspace: folder.source.id, folder: randomId(folder.random) }
    await writeMarker(folder.files, paths, marker)
    await this.#begin(marker.folder)
  }

  async #recognise(marker: FolderMarker, known: string | undefined): Promise<void> {
    const { folder } = this
    if (marker.workspace !== folder.source.id)
      throw new PeerfoldError('FOLDER_IN_USE', `${folder.directory} belongs to another workspace`)
    if (marker.folder !== known) await this.#begin(marker.folder)
  }

  /** Nothing is known of what lies there: it is merged with the workspace. */
  async #begin(id: string): Promise<void> {
    const { synced, journal } = this.folder
    synced.clear()
    journal.intents.clear()
    await journal.rewrite(synced, id)
  }

  /** @throws {PeerfoldError} `FOLDER_MISSING` */
  async check(): Promise<void> {
    const { folder, paths } = this
    const stat = await statAbsolute(folder, paths.marker).catch((cause: unknown) => {
      throw cause instanceof FileSystemError ? missing(folder.directory, cause) : cause
    })
    if (stat === undefined || stat.ino !== this.#inode?.ino || stat.dev !== this.#inode.dev)
      throw missing(folder.directory)
  }
}

async function rootStat(folder: FolderContext): Promise<FileStat | undefined> {
  try {
    const stat = await folder.files.lstat(folder.directory)
    return stat.type === 'folder' ? stat : undefined
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error
    if (error.errno === 'ENOENT' || error.errno === 'ENOTDIR') return undefined
    throw new PeerfoldError('FOLDER_MISSING', `${folder.directory}: ${error.errno}`, { cause: error })
  }
}

async function refuseNested(folder: FolderContext): Promise<void> {
  const { files, directory } = folder
  for (let above = parentDirectory(directory); above !== undefined; above = parentDirectory(above))
    if ((await statAbsolute(folder, statePaths(files, above).marker)) !== undefined)
      throw new PeerfoldError('FOLDER_NESTED', `${directory} lies inside the synced folder ${above}`)
}

/** `/a/b` → `/a` → `/` → undefined; the same with backslashes. */
function parentDirectory(path: string): string | undefined {
  const end = path.replace(/[/\\]+$/, '')
  const separator = Math.max(end.lastIndexOf('/'), end.lastIndexOf('\\'))
  if (end === '' || separator < 0) return undefined
  return separator === 0 ? end.slice(0, 1) : end.slice(0, separator)
}

function missing(directory: string, cause?: unknown): PeerfoldError {
  return new PeerfoldError(
    'FOLDER_MISSING',
    `${directory} is not the folder that was synced, or its marker is gone`,
    { cause },
  )
}
