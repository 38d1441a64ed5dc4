import { basename, resolve } from 'node:path'
import { type Peerfold, PeerfoldError } from '@peerfold/core'
import { locateDirectory } from '../file-system/locate-directory.js'
import { FOLDER_OPERATIONS } from './folder-operations.js'
import type { Operation, OperationIo, OperationNeeds } from './operation.js'
import { optionalText, text } from './params.js'
import { RELAY_OPERATIONS } from './relay-operations.js'
import { selectWorkspace } from './select-workspace.js'
import { untilRead } from './until-read.js'

/** What must be running for an operation; decides how its own process opens the device when none runs. */
export function operationNeeds(name: string): OperationNeeds {
  return OPERATIONS[name]?.needs ?? 'home'
}

export const OPERATIONS: Record<string, Operation> = {
  ping: { needs: 'home', run: async () => ({}) },
  init: { needs: 'home', run: (pf, params, io) => init(pf, params, io) },
  recover: { needs: 'network', run: recover },
  add: { needs: 'home', run: addFolder },
  invite: { needs: 'network', run: invite },
  join: { needs: 'network', run: join },
  status: { needs: 'home', run: (pf, _, io) => statusOf(pf, io) },
  wait: { needs: 'all', run: wait },
  ls: {
    needs: 'home',
    run: async (pf, params, io) => {
      const workspace = await selectWorkspace(pf, params)
      const path = optionalText(params, 'path') ?? ''
      const item = await workspace.stat(path, io)
      if (item.kind === 'file') io.emit({ type: 'row', row: item })
      else
        for await (const row of workspace.list(path, {
          recursive: params.recursive === true,
          signal: io.signal,
        }))
          io.emit({ type: 'row', row })
    },
  },
  cat: {
    needs: 'network',
    run: async (pf, params, io) => {
      const workspace = await selectWorkspace(pf, params)
      const label = text(params, 'path')
      const body = workspace.read(label, {
        version: optionalText(params, 'version'),
        signal: io.signal,
        onProgress: ({ bytes, total }) => io.emit({ type: 'progress', label, bytes, total }),
      })
      for await (const bytes of body) await io.write(bytes)
    },
  },
  put: { needs: 'home', run: put },
  mkdir: {
    needs: 'home',
    run: async (pf, params, io) => (await selectWorkspace(pf, params)).mkdir(text(params, 'path'), io),
  },
  mv: {
    needs: 'home',
    run: async (pf, params, io) =>
      (await selectWorkspace(pf, params)).move(text(params, 'from'), text(params, 'to'), io),
  },
  rm: {
    needs: 'home',
    run: async (pf, params, io) => (await selectWorkspace(pf, params)).remove(text(params, 'path'), io),
  },
  versions: {
    needs: 'home',
    run: async (pf, params, io) => {
      const workspace = await selectWorkspace(pf, params)
      for await (const row of workspace.versions(text(params, 'path'), io)) io.emit({ type: 'row', row })
    },
  },
  removed: {
    needs: 'home',
    run: async (pf, params, io) => {
      const workspace = await selectWorkspace(pf, params)
      for await (const row of workspace.removed(io)) io.emit({ type: 'row', row })
    },
  },
  restore: {
    needs: 'home',
    run: async (pf, params, { signal }) =>
      (await selectWorkspace(pf, params)).restore(text(params, 'path'), text(params, 'version'), {
        to: optionalText(params, 'to'),
        signal,
      }),
  },
  conflicts: {
    needs: 'home',
    run: async (pf, params, io) => {
      const workspace = await selectWorkspace(pf, params)
      for await (const row of workspace.conflicts(io)) io.emit({ type: 'row', row })
    },
  },
  resolve: {
    needs: 'home',
    run: async (pf, params, io) =>
      (await selectWorkspace(pf, params)).resolve(
        text(params, 'path'),
        { version: text(params, 'version') },
        io,
      ),
  },
  'device-list': { needs: 'home', run: async (pf, _, io) => pf.devices.list(io) },
  'device-remove': { needs: 'home', run: removeDevice },
  ...FOLDER_OPERATIONS,
  ...RELAY_OPERATIONS,
}

async function init(
  pf: Peerfold,
  params: Record<string, unknown>,
  { signal }: OperationIo,
): Promise<unknown> {
  const { phrase } = await pf.identity.create({ name: optionalText(params, 'name'), signal })
  return { device: pf.device, phrase }
}

async function recover(
  pf: Peerfold,
  params: Record<string, unknown>,
  { signal }: OperationIo,
): Promise<unknown> {
  const relay = optionalText(params, 'relay')
  const folder = optionalText(params, 'folder')
  if (folder !== undefined) await pf.folders.check(resolve(folder), { signal })
  await pf.identity.recover(text(params, 'phrase'), {
    name: optionalText(params, 'name'),
    relays: relay === undefined ? [] : [relay],
    signal,
  })
  const workspaces = await pf.workspaces.list({ signal })
  return { device: pf.device, workspaces: await bindFolders(pf, workspaces, folder, signal) }
}

/** With `existing`, a folder that is bound already is left as it is; with `wait`, everything in it is in the workspace when this ends. */
async function addFolder(
  pf: Peerfold,
  params: Record<string, unknown>,
  { signal }: OperationIo,
): Promise<unknown> {
  const { directory } = await locateDirectory(text(params, 'folder'))
  const bound = pf.folders.list().find((folder) => folder.directory === directory)
  if (bound !== undefined && params.existing === true) return { id: bound.workspace, folder: directory }
  if (bound !== undefined)
    throw new PeerfoldError('FOLDER_IN_USE', `${directory} is synced already`, {
      hint: '`peerfold start` keeps it in sync; `peerfold status` shows how far it is.',
    })
  const name = optionalText(params, 'name') ?? (basename(directory) || 'files')
  const { workspace, folder } = await pf.folders.create(name, directory, { signal })
  if (params.wait === true) await untilRead(folder, signal)
  return { id: workspace.id, name: workspace.name, folder: folder.directory }
}

async function invite(
  pf: Peerfold,
  _: Record<string, unknown>,
  { emit, signal }: OperationIo,
): Promise<unknown> {
  await using invitation = await pf.devices.invite({ signal })
  const { ticket, url, expires } = invitation
  emit({ type: 'ticket', ticket, url, expires: expires.toISOString() })
  return { device: await invitation.accepted({ signal }) }
}

async function join(
  pf: Peerfold,
  params: Record<string, unknown>,
  { signal }: OperationIo,
): Promise<unknown> {
  const folder = optionalText(params, 'folder')
  if (folder !== undefined) await pf.folders.check(resolve(folder), { signal })
  const workspaces = await pf.devices.join(text(params, 'ticket'), {
    name: optionalText(params, 'name'),
    signal,
  })
  return { device: pf.device, workspaces: await bindFolders(pf, workspaces, folder, signal) }
}

/** One workspace lies in the folder itself; several lie in it side by side, each under its name. */
async function bindFolders(
  pf: Peerfold,
  workspaces: ReadonlyArray<{ id: string; name: string }>,
  folder: string | undefined,
  signal: AbortSignal,
): Promise<Array<{ id: string; name: string; folder: string | undefined }>> {
  const bound = []
  for (const { id, name } of workspaces) {
    const directory =
      folder === undefined ? undefined : workspaces.length === 1 ? folder : resolve(folder, name)
    if (directory !== undefined) await pf.folders.add(id, directory, { signal })
    bound.push({ id, name, folder: directory })
  }
  return bound
}

/** How long `status` lets a device that has just been opened look through what it has. */
const CHECK_MS = 10_000

async function statusOf({ status }: Peerfold, { signal }: OperationIo): Promise<unknown> {
  let stop = () => {}
  const checked = new Promise<void>((resolve) => {
    stop = status.subscribe(({ workspaces }) => workspaces.every((each) => each.checked) && resolve())
  })
  const ended = AbortSignal.any([signal, AbortSignal.timeout(CHECK_MS)])
  const late = new Promise<void>((resolve) => {
    if (ended.aborted) resolve()
    ended.addEventListener('abort', () => resolve(), { once: true })
  })
  await Promise.race([checked, late])
  stop()
  signal.throwIfAborted()
  return status.value
}

async function wait(
  pf: Peerfold,
  params: Record<string, unknown>,
  { signal }: OperationIo,
): Promise<unknown> {
  const timeoutMs = Number(params.timeoutMs ?? 600_000)
  const deadline = AbortSignal.timeout(timeoutMs)
  try {
    await pf.settled({ signal: AbortSignal.any([signal, deadline]) })
  } catch (error) {
    if (!deadline.aborted || signal.aborted) throw error
    if (!pf.status.value.peers.some(({ connected }) => connected))
      throw new PeerfoldError('NO_PEERS', `no other device appeared in ${timeoutMs / 1000} s`)
    throw new PeerfoldError('TIMEOUT', `not all devices had everything after ${timeoutMs / 1000} s`, {
      cause: error,
      hint: '`peerfold status` shows what is waited for.',
    })
  }
  return pf.status.value
}

async function put(pf: Peerfold, params: Record<string, unknown>, io: OperationIo): Promise<unknown> {
  const workspace = await selectWorkspace(pf, params)
  const label = text(params, 'path')
  const total = typeof params.size === 'number' ? params.size : undefined
  return await workspace.write(label, io.input, {
    mtime: typeof params.mtime === 'number' ? new Date(params.mtime) : undefined,
    executable: params.executable === true,
    signal: io.signal,
    onProgress: ({ bytes }) => io.emit({ type: 'progress', label, bytes, total }),
  })
}

/** Removing cannot be taken back: a slip of a letter or two must not name a device. */
const SHORTEST_ID = 8

function isShortFor(text: string, id: string): boolean {
  return text.length >= SHORTEST_ID && id.startsWith(text)
}

async function removeDevice(
  pf: Peerfold,
  params: Record<string, unknown>,
  { signal }: OperationIo,
): Promise<unknown> {
  const wanted = text(params, 'device')
  const found = (await pf.devices.list({ signal })).filter(
    ({ id, name, state }) => state === 'active' && (name === wanted || isShortFor(wanted, id)),
  )
  const [device] = found
  if (device === undefined) throw new PeerfoldError('DEVICE_NOT_FOUND', `no active device ${wanted}`)
  if (found.length > 1)
    throw new PeerfoldError('DEVICE_NOT_FOUND', `several devices are called ${wanted}`, {
      hint: 'Name it by its id: `peerfold device list` shows it.',
    })
  await pf.devices.revoke(device.id, { signal })
  return device
}
