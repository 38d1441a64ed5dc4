import ignore, { type Ignore } from 'ignore'
import { concatBytes, fromUtf8 } from '../encoding/bytes.js'
import { FileSystemError, isPeerfoldError, PeerfoldError } from '../errors.js'
import type { AbortOptions } from '../ports/abort.js'
import type { FileSystem } from '../ports/file-system.js'
import type { ItemKind } from '../tree/types.js'
import { type Fingerprint, fingerprintOf, sameFingerprint } from './fingerprint.js'
import { statAbsolute } from './guard.js'
import { readStable } from './stable-read.js'
import type { StatePaths } from './state-directory.js'

/** The rules that all devices share. It is synced like any other file, and can't ignore itself. */
export const IGNORE_FILE = '.peerfoldignore'

/** A line of gitignore's language that decided about a path. */
export interface IgnoreRule {
  /** The file that it stands in, relative to the folder; `built in` for those that always hold. */
  source: string
  /** From 1; 0 for those that are built in. */
  line: number
  pattern: string
}

export function describeRule({ source, line, pattern }: IgnoreRule): string {
  return line === 0 ? `ignored by ${pattern} (built in)` : `ignored by ${pattern} (${source}, line ${line})`
}

/** What systems and programs leave behind beside the files that people make. `!PATTERN` in either file takes one back. */
const BUILT_IN = [
  '.DS_Store',
  'Thumbs.db',
  'ehthumbs.db',
  'desktop.ini',
  // Lock files of Microsoft Office and LibreOffice, swap files of vim, files that are deleted but open on network and FUSE mounts.
  '~$*',
  '.~lock.*#',
  '.*.sw[a-p]',
  '.nfs*',
  '.fuse_hidden*',
  // What git holds while it writes: on another device it would keep git from working there.
  '**/.git/**/*.lock',
]

/** The library remembers every path that it was asked about: a new one is made after this many. */
const REMEMBERED = 20_000

/** Which paths of a folder are not synced: gitignore's patterns, later ones before earlier ones. */
export class IgnoreRules {
  readonly #rules: Array<{ pattern: string; mark: string }>
  readonly #known: IgnoreRule[] = []
  #matcher: Ignore
  #asked = 0

  /** @param sources text of rule files, in the order of their weight */
  constructor(sources: ReadonlyArray<{ source: string; text: string }>) {
    for (const pattern of BUILT_IN) this.#known.push({ source: 'built in', line: 0, pattern })
    for (const { source, text } of sources)
      for (const [index, pattern] of text
        .replace(/^\uFEFF/, '')
        .split(/\r?\n/)
        .entries())
        this.#known.push({ source, line: index + 1, pattern })
    this.#rules = this.#known.map(({ pattern }, index) => ({ pattern, mark: String(index) }))
    this.#matcher = this.#compile()
  }

  /** The rule that keeps a path (or a directory above it) from being synced. */
  find(path: string, kind: ItemKind): IgnoreRule | undefined {
    if (path === '' || path === IGNORE_FILE) return undefined
    if (++this.#asked % REMEMBERED === 0) this.#matcher = this.#compile()
    const { rule } = this.#matcher.test(kind === 'folder' ? `${path}/` : path)
    return rule?.mark === undefined ? undefined : this.#known[Number(rule.mark)]
  }

  #compile(): Ignore {
    return ignore({ ignorecase: false, allowRelativePaths: true }).add(this.#rules)
  }
}

const MAX_BYTES = 1 << 20
/** Editors save in several steps: for a moment a rule file is gone, or empty. Until it has rested this long, the old rules hold. */
const REST_MS = 1_000

type Prints = Array<Fingerprint | undefined>

/** The rules as the files in the folder say them. */
export class IgnoreFiles {
  readonly #sources: Array<{ source: string; path: string }>
  #rules = new IgnoreRules([])
  /** The state of the files that the rules were read from. */
  #read: Prints | undefined
  /** Another state, and since when. */
  #next: { prints: Prints; since: number } | undefined

  /** The device's own rules weigh more than those that all share. */
  constructor(
    private readonly files: FileSystem,
    directory: string,
    paths: StatePaths,
  ) {
    this.#sources = [
      { source: IGNORE_FILE, path: files.join(directory, IGNORE_FILE) },
      { source: '.peerfold/ignore', path: paths.ignore },
    ]
  }

  get rules(): IgnoreRules {
    return this.#rules
  }

  /** This device itself put a rule file in place: it is whole, and holds at once. */
  replaced(): void {
    this.#read = undefined
  }

  /**
   * Looks at the files. `due`: when (monotonic milliseconds) to look again, because one is changing.
   *
   * @throws {PeerfoldError} `IGNORE_UNREADABLE`: nothing may be synced by rules that are not known
   */
  async refresh(now: number, options?: AbortOptions): Promise<{ changed: boolean; due?: number }> {
    const prints = await Promise.all(this.#sources.map(({ path }) => this.#print(path)))
    if (this.#read !== undefined && samePrints(prints, this.#read)) {
      this.#next = undefined
      return { changed: false }
    }
    if (this.#read !== undefined) {
      if (this.#next === undefined || !samePrints(prints, this.#next.prints))
        this.#next = { prints, since: now }
      const due = this.#next.since + REST_MS
      if (now < due) return { changed: false, due }
    }
    this.#rules = await this.#load(prints, options)
    this.#read = prints
    this.#next = undefined
    return { changed: true }
  }

  async #print(path: string): Promise<Fingerprint | undefined> {
    const stat = await statAbsolute({ files: this.files }, path)
    return stat?.type === 'file' ? fingerprintOf(stat) : undefined
  }

  async #load(prints: Prints, options?: AbortOptions): Promise<IgnoreRules> {
    const sources = []
    for (const [i, { source, path }] of this.#sources.entries())
      if (prints[i] !== undefined) sources.push({ source, text: await this.#text(source, path, options) })
    return new IgnoreRules(sources)
  }

  async #text(source: string, path: string, options?: AbortOptions): Promise<string> {
    const consume = async (bytes: AsyncIterable<Uint8Array>, { size }: { size: number }) => {
      if (size > MAX_BYTES) throw new PeerfoldError('IGNORE_UNREADABLE', `${source} is larger than 1 MiB`)
      const pieces: Uint8Array[] = []
      for await (const piece of bytes) pieces.push(piece.slice())
      return fromUtf8(concatBytes(...pieces))
    }
    try {
      return (await readStable(this.files, path, 'file', consume, options)).value
    } catch (cause) {
      options?.signal?.throwIfAborted()
      if (isPeerfoldError(cause)) throw cause
      const reason = cause instanceof FileSystemError ? cause.errno : 'it is not UTF-8 text'
      throw new PeerfoldError('IGNORE_UNREADABLE', `${source} can't be read: ${reason}`, { cause })
    }
  }
}

function samePrints(a: Prints, b: Prints): boolean {
  return a.every((print, i) => {
    const other = b[i]
    return print === undefined || other === undefined ? print === other : sameFingerprint(print, other)
  })
}
