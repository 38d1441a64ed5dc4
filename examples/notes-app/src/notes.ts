import { isPeerfoldError, type Peerfold, type RecordId, type Version, type Workspace } from '@peerfold/core'

/**
 * How notes lie in a workspace. They are plain files, so that they make sense to other programs, too: bind the workspace to a folder of a laptop, and
 * edit them there.
 *
 *     2026-05-01-k3f9qa.md
 *     2026-05-01-k3f9qa/attachments/photo.jpg
 *
 * A name is never derived from the title: renaming a note would be a move of all its files.
 */
const WORKSPACE = 'Notes'
export const fileOf = (note: string) => `${note}.md`
export const attachmentsOf = (note: string) => `${note}/attachments`
/** Undefined for what is no note. */
export const noteIn = (path: string) => /^([^/]+)\.md$/.exec(path)?.[1]

/** The workspace of this app among those of the user, made if there is none. */
export async function openNotes(peerfold: Peerfold): Promise<Workspace> {
  const found = (await peerfold.workspaces.list()).find(({ name }) => name === WORKSPACE)
  return found ? await peerfold.workspaces.open(found.id) : await peerfold.workspaces.create(WORKSPACE)
}

/** @returns its id */
export async function createNote(workspace: Workspace, text = ''): Promise<string> {
  const day = new Date().toISOString().slice(0, 10)
  const note = `${day}-${crypto.randomUUID().slice(0, 6)}`
  // `null`: two devices that draw the same name do not overwrite each other.
  await workspace.write(fileOf(note), text, { ifVersion: null })
  return note
}

/** @returns undefined when it is not at `ifVersion` any more: somebody else changed it */
export async function saveNote(
  workspace: Workspace,
  note: string,
  text: string,
  ifVersion: RecordId | undefined,
): Promise<Version | undefined> {
  try {
    // A write would end a conflict that nobody has looked at.
    if ((await workspace.stat(fileOf(note))).conflict) return undefined
    return await workspace.write(fileOf(note), text, { ifVersion })
  } catch (error) {
    if (isPeerfoldError(error, 'VERSION_MISMATCH') || isPeerfoldError(error, 'NOT_FOUND')) return undefined
    throw error
  }
}

/** With its attachments, all or nothing: no device ever sees one without the other. */
export async function removeNote(workspace: Workspace, note: string): Promise<void> {
  await workspace.transact(async (tx) => {
    await tx.remove(fileOf(note))
    for await (const { path } of tx.list('')) if (path === note) await tx.remove(path)
  })
}

/** Ends a conflict of edits that were made at the same time on two devices: each other text becomes a note of its own. */
export async function keepBoth(workspace: Workspace, note: string): Promise<void> {
  const path = fileOf(note)
  for await (const conflict of workspace.conflicts()) {
    const [first, ...others] = conflict.versions
    if (conflict.path !== path || first === undefined) continue
    // The copies first: if this stops in between, nothing is lost.
    for (const { id } of others)
      await createNote(workspace, await workspace.read(path, { version: id }).text())
    await workspace.resolve(path, { version: first.id })
  }
}

/** Beside the note, under a name that is free. */
export async function attach(
  workspace: Workspace,
  note: string,
  file: File,
  options: { signal: AbortSignal; onProgress: (progress: { bytes: number }) => void },
): Promise<void> {
  for (let count = 1; ; count++) {
    const name = count === 1 ? file.name : file.name.replace(/(\.[^.]*)?$/, ` (${count})$1`)
    try {
      // A file is read, cut up and sealed in the device's worker: the page never holds it.
      await workspace.write(`${attachmentsOf(note)}/${name}`, file, { ifVersion: null, ...options })
      return
    } catch (error) {
      if (!isPeerfoldError(error, 'VERSION_MISMATCH')) throw error
    }
  }
}

/** The first line that says something, of the first bytes: a list of notes does not read all of them. */
export async function titleOf(workspace: Workspace, path: string, signal: AbortSignal): Promise<string> {
  const beginning = await workspace.read(path, { length: 200, signal }).text()
  const lines = beginning.split('\n').map((line) => line.replace(/^#+\s*/, '').trim())
  return lines.find((line) => line !== '') ?? 'New note'
}
