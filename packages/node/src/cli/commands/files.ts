import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { Conflict, Item, RemovedItem, Version } from '@peerfold/core'
import { PeerfoldError } from '@peerfold/core'
import type { Command } from 'commander'
import type { CommandContext } from '../context.js'
import { withLimits } from '../limits.js'
import { printable } from '../printable.js'
import { formatBytes } from '../progress.js'

/** `ls cat put get mkdir mv rm versions removed restore conflicts resolve`: files of a workspace, whether or not it has a folder here. */
export function addFileCommands(program: Command, context: CommandContext): void {
  const verb = (spec: string, description: string) =>
    program
      .command(spec)
      .description(description)
      .option('-w, --workspace <name>', 'by name or id, when there are several')

  verb('ls [path]', 'lists a folder')
    .option('-r, --recursive', 'lists folders below, too')
    .action(async (path: string | undefined, options) => {
      await listItems(context, { path: path ?? '', ...options })
    })
  withLimits(verb('cat <path>', 'writes a file to standard output'))
    .option('--version-id <id>', 'a past version, as `versions` lists it')
    .action(async (path: string, options) => {
      await context.call(
        'cat',
        { path, version: options.versionId, workspace: options.workspace },
        { write: writeOut },
      )
    })
  withLimits(verb('get <path> [target]', 'copies a file out of a workspace; never overwrites'))
    .option('--version-id <id>', 'a past version, as `versions` lists it')
    .action((path: string, target: string | undefined, options) => getFile(context, path, target, options))
  verb('put <source> [path]', 'copies a local file (or "-" for standard input) into a workspace').action(
    (source: string, path: string | undefined, options) => putFile(context, source, path, options),
  )
  verb('mkdir <path>', 'makes a folder and its parents').action(async (path: string, options) => {
    await report(context, 'mkdir', { path, ...options }, `made ${path}`)
  })
  verb('mv <from> <to>', 'renames or moves a file or folder').action(
    async (from: string, to: string, options) => {
      await report(context, 'mv', { from, to, ...options }, `moved ${from} to ${to}`)
    },
  )
  verb('rm <path>', 'removes a file, or a folder with all below; versions stay').action(
    async (path: string, options) => {
      await report(context, 'rm', { path, ...options }, `removed ${path}`)
    },
  )
  verb('versions <path>', 'lists the versions of a file, newest first').action(
    async (path: string, options) => {
      await listVersions(context, { path, ...options })
    },
  )
  verb('removed', 'lists files that were removed, the latest first, with the version to restore').action(
    async (options) => {
      await listRemoved(context, options)
    },
  )
  verb('restore <path> <version>', 'makes an old version the newest again; a removed file comes back')
    .option('--to <path>', 'where a removed file comes back to, when something else has its place')
    .action(async (path: string, version: string, options) => {
      await report(context, 'restore', { path, version, ...options }, `restored ${options.to ?? path}`)
    })
  verb('conflicts', 'lists files with more than one current version').action(async (options) => {
    await listConflicts(context, options)
  })
  verb('resolve <path> <version>', 'ends a conflict by keeping one of its versions').action(
    async (path: string, version: string, options) => {
      await report(context, 'resolve', { path, version, ...options }, `resolved ${path}`)
    },
  )
}

async function report(
  context: CommandContext,
  operation: string,
  params: Record<string, unknown>,
  said: string,
): Promise<void> {
  const result = await context.call(operation, params)
  if (context.json) context.printJson(result ?? {})
  else context.print(printable(said))
}

async function listItems(context: CommandContext, params: Record<string, unknown>): Promise<void> {
  await printRows<Item>(context, 'ls', params, (item) => {
    const size = item.kind === 'folder' ? '-' : formatBytes(item.size)
    const time = item.mtime === undefined ? '' : formatTime(item.mtime)
    const mark = item.kind === 'folder' ? '/' : item.type === 'symlink' ? '@' : item.executable ? '*' : ''
    return `${size.padStart(10)}  ${time.padEnd(19)}  ${printable(item.path)}${mark}${item.conflict ? '  (conflict)' : ''}`
  })
}

async function listVersions(context: CommandContext, params: Record<string, unknown>): Promise<void> {
  await printRows<Version>(context, 'versions', params, (version) => {
    const time = formatTime(version.time)
    return `${version.id.padEnd(24)}  ${time}  ${formatBytes(version.size).padStart(10)}  ${printable(version.deviceName ?? version.device.slice(0, 8))}`
  })
}

async function listRemoved(context: CommandContext, params: Record<string, unknown>): Promise<void> {
  await printRows<RemovedItem>(context, 'removed', params, ({ version, time, size, path }) => {
    return `${version.padEnd(24)}  ${formatTime(time)}  ${formatBytes(size).padStart(10)}  ${printable(path)}`
  })
}

async function listConflicts(context: CommandContext, params: Record<string, unknown>): Promise<void> {
  await printRows<Conflict>(context, 'conflicts', params, (conflict) => {
    const versions = conflict.versions.map((version) => version.id).join(' ')
    return `${printable(conflict.path)}  ${versions}`
  })
}

/** UTC, to the second. Comes as text from another process. */
function formatTime(time: Date | string): string {
  return new Date(time).toISOString().slice(0, 19).replace('T', ' ')
}

async function printRows<T>(
  context: CommandContext,
  operation: string,
  params: Record<string, unknown>,
  format: (row: T) => string,
): Promise<void> {
  await context.call(operation, params, {
    emit: (event) => {
      if (event.type !== 'row') return
      if (context.json) context.printJson(event.row)
      else context.print(format(event.row as T))
    },
  })
}

async function writeOut(bytes: Uint8Array): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain')
}

async function getFile(
  context: CommandContext,
  path: string,
  target: string | undefined,
  options: { workspace?: string; versionId?: string },
): Promise<void> {
  const destination = await chooseTarget(path, target)
  const partial = `${destination}.peerfold-part`
  const file = await open(partial, 'w')
  try {
    await context.call(
      'cat',
      { path, version: options.versionId, workspace: options.workspace },
      { write: (bytes) => file.writeFile(bytes) },
    )
    await file.close()
    await rename(partial, destination)
  } catch (error) {
    await file.close().catch(() => {})
    await rm(partial, { force: true })
    throw error
  }
  if (context.json) context.printJson({ path, target: destination })
  else context.print(`wrote ${printable(destination)}`)
}

async function chooseTarget(path: string, target: string | undefined): Promise<string> {
  const name = basename(path)
  let destination = resolve(target ?? name)
  const existing = await stat(destination).catch(() => undefined)
  if (existing?.isDirectory() === true) destination = join(destination, name)
  if (await stat(destination).catch(() => undefined))
    throw new PeerfoldError('ALREADY_EXISTS', `already there: ${destination}`)
  const folder = dirname(destination)
  if (!(await stat(folder).catch(() => undefined))?.isDirectory())
    throw new PeerfoldError('FOLDER_NOT_FOUND', `no such folder: ${folder}`)
  return destination
}

async function putFile(
  context: CommandContext,
  source: string,
  path: string | undefined,
  options: { workspace?: string },
): Promise<void> {
  if (source === '-') {
    if (path === undefined)
      throw new PeerfoldError('INVALID_ARGUMENT', 'a path is needed for standard input', {
        hint: 'peerfold put - PATH',
      })
    const result = await context.call('put', { path, ...options }, { input: process.stdin })
    if (context.json) context.printJson(result)
    else context.print(`put ${printable(path)}`)
    return
  }
  const local = await stat(source).catch((cause: unknown) => {
    throw new PeerfoldError('NOT_FOUND', `no such local file: ${source}`, { cause, hint: 'Check the path.' })
  })
  if (!local.isFile())
    throw new PeerfoldError('NOT_A_FILE', `not a file: ${source}`, {
      hint: 'Use `peerfold add FOLDER` for folders.',
    })
  const target =
    path === undefined ? basename(source) : path.endsWith('/') ? `${path}${basename(source)}` : path
  const params = {
    path: target,
    mtime: local.mtimeMs,
    executable: (local.mode & 0o111) !== 0,
    size: local.size,
    ...options,
  }
  const result = await context.call('put', params, { input: contentOf(source) })
  if (context.json) context.printJson(result)
  else context.print(`put ${printable(target)}`)
}

/** Opened when it is asked for: somebody then hears of what fails. */
async function* contentOf(source: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(source, { highWaterMark: 1 << 20 })
}
