import { isPeerfoldError } from '../../src/errors.js'
import { EDITORS, savingSteps } from '../../src/testing/fake-disk/editors.js'
import type { DiskUser, OpenFile } from '../../src/testing/fake-disk/user.js'
import type { FakeDisk } from '../../src/testing/fake-disk.js'
import type { FakeWorkspace } from '../../src/testing/fake-workspace.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'
import { ROOT_ITEM, type TreeEntry, type TreeTransaction } from '../../src/tree/types.js'
import { diskAsText, ROOT, text } from './harness.js'

const NAMES = ['a', 'b', 'c', 'd.txt']
const RARE_NAMES = ['A', 'D.txt', 'caf\u00e9', 'cafe\u0301']
/** What several write without knowing of each other. */
const SAME = 'same everywhere'

/** What was written by whomever, and what somebody who saw it has undone. Whatever else was written must be found in the end. */
export class Ledger {
  readonly #made = new Set<string>()
  readonly #undone = new Set<string>()

  made(value: string): void {
    this.#made.add(value)
  }

  undone(value: string): void {
    this.#undone.add(value)
  }

  isUndone(value: string): boolean {
    return this.#undone.has(value)
  }

  /** What must not be lost. Empty files, and what many wrote, tell nothing. */
  owed(): string[] {
    return [...this.#made].filter((value) => !this.#undone.has(value) && value !== '' && value !== SAME)
  }
}

export function pickName(random: SeededRandom): string {
  return random.pick(random.float() < 0.9 ? NAMES : RARE_NAMES)
}

/** All values have one length: a file that was edited can't be told by its size. */
function newValue(random: SeededRandom, who: string, count: number): string {
  return random.float() < 0.1 ? SAME : `${who} ${String(count).padStart(4, '0')}`
}

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** Somebody who works in the folder, in steps as programs take them. */
export class DiskPerson {
  readonly #user: DiskUser
  readonly #steps: Array<() => void> = []
  #held: OpenFile | undefined
  #count = 0
  /** A place that must be left alone now: see `Windows`. */
  avoid: (path: string) => boolean = () => false

  constructor(
    private readonly disk: FakeDisk,
    private readonly random: SeededRandom,
    private readonly ledger: Ledger,
    private readonly can: { symlinks: boolean },
  ) {
    this.#user = this.#watched(disk.user)
  }

  /** One change, whole. */
  act(): void {
    this.#begin()
    this.finish()
  }

  /** One step of a change, others may come in between. */
  step(): void {
    if (this.#steps.length === 0) this.#begin()
    this.#try(this.#steps.shift())
  }

  finish(): void {
    while (this.#steps.length > 0) this.#try(this.#steps.shift())
  }

  /** Ends what was begun, and removes lock files that lost their way: nothing that is ignored stays behind. */
  leave(): void {
    this.finish()
    this.#held?.close()
    for (const path of Object.keys(this.#shown()))
      if (path.includes('.~lock.')) this.#try(() => this.#user.remove(`${ROOT}/${path}`))
  }

  /** Puts everything somewhere else, or nowhere: a new tree of the same objects. */
  scramble(share: number): void {
    const { random } = this
    const parked: string[] = []
    if (!this.#user.exists('/park')) this.#user.mkdir('/park')
    for (const path of Object.keys(this.#shown()).reverse())
      if (random.float() < share) {
        const place = `/park/${parked.length}`
        this.#try(() => this.#user.rename(`${ROOT}/${path}`, place))
        if (this.#user.exists(place)) parked.push(place)
      }
    for (const place of parked.sort(() => random.float() - 0.5)) this.#place(place)
  }

  #place(place: string): void {
    for (let attempt = 0; attempt < 2; attempt++) {
      const target = this.#target()
      if (this.random.float() < 0.2 || this.#user.exists(target)) continue
      this.#try(() => this.#user.rename(place, target))
      return
    }
    this.#try(() => this.#user.remove(place))
  }

  #begin(): void {
    const { random } = this
    const user = this.#user
    const shown = this.#shown()
    const paths = Object.keys(shown)
    const target = this.#target()
    const path = paths.length === 0 ? undefined : `${ROOT}/${random.pick(paths)}`
    const isFile = path !== undefined && shown[path.slice(ROOT.length + 1)] !== '/'
    const roll = random.float()
    if (roll < 0.25) this.#save(target)
    else if (roll < 0.35) this.#steps.push(() => user.mkdir(target))
    else if (path === undefined) return
    else if (roll < 0.55 && isFile) this.#save(path)
    else if (roll < 0.72) this.#steps.push(() => user.rename(path, target))
    else if (roll < 0.76) this.#steps.push(() => user.chmod(path, random.pick([0o755, 0o644])))
    else if (roll < 0.8) this.#hold(path)
    else if (roll < 0.83) this.#recase(path)
    else if (roll < 0.86 && this.can.symlinks) this.#steps.push(() => user.symlink('a', target))
    else if (roll < 0.9) this.#exchange(path, target)
    else this.#steps.push(() => user.remove(path))
  }

  #save(path: string): void {
    const editor = this.random.pick(EDITORS)
    this.#steps.push(...savingSteps(this.#user, editor, path, text(this.#value())))
  }

  /** A program opens a file, and writes to it at some later time. */
  #hold(path: string): void {
    const value = this.#value()
    const held = this.#held
    if (held === undefined)
      this.#steps.push(() => {
        this.#held = this.#user.open(path)
      })
    else
      this.#steps.push(
        () => held.write(text(value)),
        () => held.close(),
      )
    this.#held = undefined
  }

  #recase(path: string): void {
    const slash = path.lastIndexOf('/') + 1
    const name = path.slice(slash)
    const other = name === name.toUpperCase() ? name.toLowerCase() : name.toUpperCase()
    this.#steps.push(() => this.#user.rename(path, path.slice(0, slash) + other))
  }

  #exchange(path: string, target: string): void {
    this.#steps.push(
      () => this.#user.rename(path, `${ROOT}/aside`),
      () => this.#user.rename(target, path),
      () => this.#user.rename(`${ROOT}/aside`, target),
    )
  }

  #value(): string {
    return newValue(this.random, 'disk', this.#count++)
  }

  #target(): string {
    const folders = Object.entries(this.#shown()).filter(([, value]) => value === '/')
    const folder = this.random.pick(['', ...folders.map(([path]) => path)])
    return `${ROOT}/${folder === '' ? '' : `${folder}/`}${pickName(this.random)}`
  }

  #shown(): Record<string, string> {
    return diskAsText(this.disk)
  }

  #try(change: (() => void) | undefined): void {
    try {
      change?.()
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'FileSystemError') throw error
    }
  }

  /** Notes in the ledger what each change makes and undoes. */
  #watched(user: DiskUser): DiskUser {
    const { ledger } = this
    const valuesAt = (path: string): string[] => {
      const type = user.typeOf(path)
      if (type === 'file') return [decode(user.read(path))]
      if (type !== 'folder') return []
      return user.walk(path).flatMap(({ bytes }) => (bytes ? [decode(bytes)] : []))
    }
    const changed = (before: readonly string[], after: readonly string[]) => {
      for (const value of before) if (!after.includes(value)) ledger.undone(value)
      for (const value of after) if (!before.includes(value)) ledger.made(value)
    }
    const writing = (path: string, change: () => void) => {
      if (this.avoid(path) && !user.exists(path)) return
      const before = valuesAt(path)
      change()
      changed(before, valuesAt(path))
    }
    return {
      ...user,
      write: (path, bytes) => writing(path, () => user.write(path, bytes)),
      append: (path, bytes) => writing(path, () => user.append(path, bytes)),
      open: (path) => this.#watchedFile(user.open(path), changed),
      rename: (from, to) => {
        if (this.avoid(from) || this.avoid(to)) return
        const before = [...valuesAt(from), ...valuesAt(to)]
        user.rename(from, to)
        changed(before, valuesAt(to).concat(valuesAt(from)))
      },
      remove: (path) => {
        if (this.avoid(path)) return
        const before = valuesAt(path)
        user.remove(path)
        changed(before, [])
      },
    }
  }

  #watchedFile(file: OpenFile, changed: (before: string[], after: string[]) => void): OpenFile {
    return {
      ...file,
      write: (bytes) => {
        const before = decode(file.read())
        file.write(bytes)
        // Who removed or replaced the file does not miss what is written to it afterwards.
        if (!file.isNamed() || before === '' || this.ledger.isUndone(before)) return
        changed([before], [decode(file.read())])
      },
    }
  }
}

/** Everybody else. */
export class Others {
  #count = 0

  constructor(
    private readonly workspace: FakeWorkspace,
    private readonly random: SeededRandom,
    private readonly ledger: Ledger,
    private readonly can: { symlinks: boolean; executables: boolean },
  ) {}

  async act(): Promise<void> {
    await this.#transact((tx) => this.#change(tx))
  }

  /** Puts everything somewhere else, or nowhere: a new tree of the same items. */
  async scramble(share: number): Promise<void> {
    const { random } = this
    await this.#transact(async (tx) => {
      const parked: TreeEntry[] = []
      for (const entry of (await allEntries(tx)).reverse())
        if (random.float() < share) parked.push(await tx.move(entry.item, ROOT_ITEM, `park ${parked.length}`))
      for (const entry of parked.sort(() => random.float() - 0.5)) await this.#place(tx, entry)
    })
  }

  async #place(tx: TreeTransaction, entry: TreeEntry): Promise<void> {
    const { random } = this
    if (random.float() < 0.2) return this.#remove(tx, entry)
    const folders = [ROOT_ITEM, ...(await allEntries(tx)).filter(isFolder).map(({ item }) => item)]
    const [parent, name] = [random.pick(folders), pickName(random)]
    if ((await tx.child(parent, name)) !== undefined) return
    await tx.move(entry.item, parent, name).catch(ignoreRefusal)
  }

  #transact(change: (tx: TreeTransaction) => Promise<void>): Promise<void> {
    return this.workspace.transact(change).catch(ignoreRefusal)
  }

  async #change(tx: TreeTransaction): Promise<void> {
    const { random } = this
    const entries = await allEntries(tx)
    const parent = random.pick([ROOT_ITEM, ...entries.filter(isFolder).map((entry) => entry.item)])
    const name = pickName(random)
    const entry = entries.length === 0 ? undefined : random.pick(entries)
    const roll = random.float()
    if (roll < 0.3) await this.#make(tx, parent, name)
    else if (roll < 0.4) await tx.makeFolder(parent, name)
    else if (entry === undefined) return
    else if (roll < 0.6 && entry.kind === 'file') await this.#write(tx, entry)
    else if (roll < 0.8) await tx.move(entry.item, parent, name)
    else await this.#remove(tx, entry)
  }

  async #make(tx: TreeTransaction, parent: string, name: string): Promise<void> {
    if ((await tx.child(parent, name)) !== undefined) return
    if (this.can.symlinks && this.random.float() < 0.1) {
      const target = this.workspace.content(text('b'))
      await tx.makeFile(parent, name, target, { ...this.#meta(), type: 'symlink', executable: false })
    } else await tx.makeFile(parent, name, this.#content(), this.#meta())
  }

  /** Sometimes without having seen the others' heads. */
  async #write(tx: TreeTransaction, entry: TreeEntry): Promise<void> {
    const competing = this.random.float() < 0.2
    if (!competing) this.#undo(entry)
    await tx.writeFile(entry.item, this.#content(), this.#meta(), competing ? [] : undefined)
  }

  async #remove(tx: TreeTransaction, entry: TreeEntry): Promise<void> {
    this.#undo(entry)
    for (const below of await allEntries(tx, entry.item)) this.#undo(below)
    await tx.remove(entry.item)
  }

  #undo(entry: TreeEntry): void {
    for (const head of entry.heads) this.ledger.undone(decode(this.workspace.bytesOf(head.content)))
  }

  #content() {
    const value = newValue(this.random, 'many', this.#count++)
    this.ledger.made(value)
    return this.workspace.content(text(value))
  }

  #meta() {
    const executable = this.can.executables && this.random.float() < 0.3
    return { type: 'file' as const, mtime: 1_600_000_000_000, executable }
  }
}

const isFolder = (entry: TreeEntry): boolean => entry.kind === 'folder'

function ignoreRefusal(error: unknown): void {
  if (!isPeerfoldError(error)) throw error
}

async function allEntries(tx: Pick<TreeTransaction, 'children'>, below = ROOT_ITEM): Promise<TreeEntry[]> {
  const found: TreeEntry[] = []
  for await (const entry of tx.children(below)) {
    found.push(entry)
    if (entry.kind === 'folder') found.push(...(await allEntries(tx, entry.item)))
  }
  return found
}
