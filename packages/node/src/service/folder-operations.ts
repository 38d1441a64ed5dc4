import { type Explanation, type Peerfold, PeerfoldError, type TrashedFile } from '@peerfold/core'
import type { Operation, OperationIo } from './operation.js'
import { optionalText, text } from './params.js'
import { type BoundFolder, engineOf, listFolders, pathsIn, selectFolder } from './select-folder.js'
import { selectWorkspace } from './select-workspace.js'

/** What is asked about synced folders, whether or not they are synced now. */
export const FOLDER_OPERATIONS: Record<string, Operation> = {
  plan: { needs: 'folders', run: plan },
  pause: {
    needs: 'home',
    run: async (pf, params, io) => {
      const folder = await selectFolder(pf, params)
      await pf.folders.pause(folder.workspace, io)
      return { ...folder, paused: true }
    },
  },
  resume: {
    needs: 'home',
    run: async (pf, params, io) => {
      const folder = await selectFolder(pf, params)
      await pf.folders.resume(folder.workspace, io)
      return { ...folder, paused: false }
    },
  },
  why: { needs: 'folders', run: why },
  'trash-list': { needs: 'folders', run: listTrash },
  'trash-restore': { needs: 'folders', run: restoreTrash },
  export: { needs: 'network', run: exportFiles },
}

/** What the next round would do. With `accept`, a plan that the brake has stopped is carried out. */
async function plan(
  pf: Peerfold,
  params: Record<string, unknown>,
  { signal }: OperationIo,
): Promise<unknown> {
  const folder = await selectFolder(pf, params)
  const engine = engineOf(pf, folder)
  if (params.accept !== true) return { ...folder, ...(await engine.plan({ signal })), accepted: false }
  if (folder.paused) throw new PeerfoldError('FOLDER_PAUSED', `${folder.directory} is paused`)
  // What was accepted is what is shown: a look before or after might differ.
  const shown = await engine.acceptPlan({ signal })
  if (shown.braked) {
    // Where nothing else runs, this process carries it out.
    await engine.resume()
    await engine.settled({ signal })
  }
  return { ...folder, ...shown, accepted: shown.braked }
}

async function why(pf: Peerfold, params: Record<string, unknown>, { signal }: OperationIo): Promise<unknown> {
  const { folder, path } = await onePath(pf, params)
  const explanation = await engineOf(pf, folder).explain(path, { signal })
  const waits = []
  for (const wait of explanation.waits)
    waits.push({ ...wait, ...(wait.from !== undefined && (await authorOf(pf, folder, wait.from))) })
  return { ...folder, ...explanation, waits }
}

async function onePath(
  pf: Peerfold,
  params: Record<string, unknown>,
): Promise<{ folder: BoundFolder; path: string }> {
  const found = await pathsIn(await listFolders(pf, params), params)
  const [only] = found
  if (found.length > 1)
    throw new PeerfoldError('WORKSPACE_AMBIGUOUS', `${text(params, 'path')} could be in several folders`, {
      hint: `Name one with --workspace: ${found.map(({ folder }) => folder.name).join(', ')}.`,
    })
  if (only === undefined || only.path === '')
    throw new PeerfoldError('PATH_INVALID', `not a path in a synced folder: ${text(params, 'path')}`, {
      hint: 'Name a file or folder in it; `peerfold plan` tells about all of it.',
    })
  return only
}

/** The device that wrote the present version of a file certainly had it. */
async function authorOf(
  pf: Peerfold,
  { workspace: id }: BoundFolder,
  path: string,
): Promise<{ device: string; lastSeen: Date | undefined } | undefined> {
  const workspace = await pf.workspaces.open(id)
  const { version: present } = await workspace.stat(path)
  for await (const { id, device, deviceName } of workspace.versions(path)) {
    if (id !== present) continue
    const listed = (await pf.devices.list()).find((known) => known.id === device)
    return { device: deviceName ?? device, lastSeen: listed?.lastSeen }
  }
  return undefined
}

async function listTrash(
  pf: Peerfold,
  params: Record<string, unknown>,
  { emit }: OperationIo,
): Promise<void> {
  const folders =
    optionalText(params, 'folder') === undefined
      ? await listFolders(pf, params)
      : [await selectFolder(pf, params)]
  for (const folder of folders)
    for (const { time, ...file } of engineOf(pf, folder).trash())
      emit({ type: 'row', row: { folder: folder.directory, ...file, time: new Date(time).toISOString() } })
}

async function restoreTrash(
  pf: Peerfold,
  params: Record<string, unknown>,
  { signal }: OperationIo,
): Promise<unknown> {
  const { folder, file } = await findTrashed(pf, params)
  const path = await engineOf(pf, folder).restoreTrash(file.name, { signal })
  return { folder: folder.directory, name: file.name, path }
}

/** By its name in the trash or, the newest, by where it was. */
async function findTrashed(
  pf: Peerfold,
  params: Record<string, unknown>,
): Promise<{ folder: BoundFolder; file: TrashedFile }> {
  const wanted = text(params, 'path')
  const folders = await listFolders(pf, params)
  const all = folders.flatMap((folder) =>
    engineOf(pf, folder)
      .trash()
      .map((file) => ({ folder, file })),
  )
  const named = all.find(({ file }) => file.name === wanted)
  if (named !== undefined) return named
  const paths = await pathsIn(folders, params)
  const [newest] = all
    .filter(({ folder, file }) => paths.some((at) => at.folder === folder && at.path === file.path))
    .sort((a, b) => b.file.time - a.file.time)
  if (newest !== undefined) return newest
  throw new PeerfoldError('NOT_FOUND', `the trash holds no ${wanted}`, {
    hint: '`peerfold trash list` shows what it holds.',
  })
}

async function exportFiles(
  pf: Peerfold,
  params: Record<string, unknown>,
  { emit, signal }: OperationIo,
): Promise<unknown> {
  const { id, name } = await selectWorkspace(pf, params)
  const directory = text(params, 'directory')
  const label = `export ${name}`
  const report = await pf.workspaces.export(id, directory, {
    history: params.history === true,
    signal,
    onProgress: ({ bytes }) => emit({ type: 'progress', label, bytes }),
  })
  return { workspace: id, name, directory, ...report }
}

/** What `why` answers: an explanation, and which device is waited for. */
export type ExplainedPath = BoundFolder &
  Omit<Explanation, 'waits'> & {
    waits: Array<Explanation['waits'][number] & { device?: string; lastSeen?: string }>
  }
