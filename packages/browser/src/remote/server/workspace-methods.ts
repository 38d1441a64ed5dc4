import { type AbortOptions, type Item, PeerfoldError, type Workspace, type Writer } from '@peerfold/core'
import { MAX_TRANSACTIONS } from '../limits.js'
import { malformed } from '../wire.js'
import { body, number, optionalDate, optionalFlag, optionalNumber, optionalText, text } from './arguments.js'
import { sendLiveItems } from './live-list.js'
import type { Call, Method } from './methods.js'

/** Methods of a workspace, or of a transaction in one. */
export const WORKSPACE_METHODS: Readonly<Record<string, Method>> = {
  read: async (call) => await withTarget(call, (target, workspace) => read(call, target, workspace)),
  stat: async (call) =>
    await withTarget(call, (target) => target.stat(text(call.args, 'path'), signalOf(call))),
  list: async (call) => {
    const recursive = optionalFlag(call.args, 'recursive')
    await withTarget(call, (target) =>
      call.exchange.sendItems(target.list(text(call.args, 'path'), { recursive, ...signalOf(call) })),
    )
  },
  write: async (call) => await withTarget(call, (target) => write(call, target)),
  mkdir: async (call) =>
    await withTarget(call, (target) => target.mkdir(text(call.args, 'path'), signalOf(call))),
  move: async (call) =>
    await withTarget(call, (target) =>
      target.move(text(call.args, 'from'), text(call.args, 'to'), signalOf(call)),
    ),
  remove: async (call) =>
    await withTarget(call, (target) => target.remove(text(call.args, 'path'), signalOf(call))),
  transact: async (call) => await withWorkspace(call, (workspace) => transact(call, workspace)),
  watch: async (call) => await withWorkspace(call, (workspace) => watch(call, workspace)),
  cursor: async (call) => await withWorkspace(call, (workspace) => workspace.cursor(signalOf(call))),
  live: async (call) =>
    await withWorkspace(call, (workspace) =>
      sendLiveItems(call.exchange, workspace, text(call.args, 'path')),
    ),
  versions: async (call) =>
    await withWorkspace(call, (workspace) =>
      call.exchange.sendItems(workspace.versions(text(call.args, 'path'), signalOf(call))),
    ),
  removed: async (call) =>
    await withWorkspace(call, (workspace) => call.exchange.sendItems(workspace.removed(signalOf(call)))),
  restore: async (call) =>
    await withWorkspace(call, (workspace) => {
      const to = optionalText(call.args, 'to')
      return workspace.restore(text(call.args, 'path'), text(call.args, 'version'), {
        ...signalOf(call),
        ...(to === undefined ? {} : { to }),
      })
    }),
  conflicts: async (call) =>
    await withWorkspace(call, (workspace) => call.exchange.sendItems(workspace.conflicts(signalOf(call)))),
  resolve: async (call) =>
    await withWorkspace(call, (workspace) => {
      const version = optionalText(call.args, 'version')
      const keep = version === undefined ? { body: body(call.args, call.exchange) } : { version }
      return workspace.resolve(text(call.args, 'path'), keep, signalOf(call))
    }),
  durable: async (call) =>
    await withWorkspace(call, (workspace) =>
      workspace.durable({ copies: number(call.args, 'copies'), ...signalOf(call) }),
    ),
}

function signalOf({ exchange }: Call): Required<AbortOptions> {
  return { signal: exchange.signal }
}

/** Opened for each call, which costs nothing: so nothing is left of a client that went, and nothing grows old. */
async function withWorkspace<T>(call: Call, work: (workspace: Workspace) => Promise<T>): Promise<T> {
  const id = call.target.workspace
  if (id === undefined) throw malformed('no workspace')
  await using workspace = await call.peerfold.workspaces.open(id, signalOf(call))
  return await work(workspace)
}

async function withTarget<T>(
  call: Call,
  work: (target: Writer, workspace: Workspace | undefined) => Promise<T>,
): Promise<T> {
  const { tx } = call.target
  if (tx === undefined) return await withWorkspace(call, (workspace) => work(workspace, workspace))
  const transaction = call.client.transactions.get(tx)
  if (transaction === undefined) throw new PeerfoldError('CLOSED', 'the transaction has ended')
  return await work(transaction, undefined)
}

async function read(call: Call, target: Writer, workspace: Workspace | undefined): Promise<void> {
  const { exchange, args } = call
  const path = text(args, 'path')
  const pinned = optionalText(args, 'version') ?? (await presentVersion(call, workspace, path))
  if (pinned !== undefined) exchange.note({ version: pinned })
  const length = optionalNumber(args, 'length')
  let total: number | undefined
  const file = target.read(path, {
    ...signalOf(call),
    offset: optionalNumber(args, 'offset') ?? 0,
    ...(length === undefined ? {} : { length }),
    ...(pinned === undefined ? {} : { version: pinned }),
    onProgress: (progress) => {
      if (total === progress.total) return
      total = progress.total
      exchange.note({ progress })
    },
  })
  await exchange.sendBytes(file)
}

/** So that a reading which another device takes over goes on in the same version. Versions that a transaction writes are known to it alone. */
async function presentVersion(
  call: Call,
  workspace: Workspace | undefined,
  path: string,
): Promise<string | undefined> {
  const item: Item | undefined = await workspace?.stat(path, signalOf(call))
  return item?.version
}

async function write(call: Call, target: Writer): Promise<unknown> {
  const { exchange, args } = call
  const type = optionalText(args, 'type')
  if (type !== undefined && type !== 'file' && type !== 'symlink') throw malformed('type is file or symlink')
  const mtime = optionalDate(args, 'mtime')
  const executable = optionalFlag(args, 'executable')
  const version = await target.write(text(args, 'path'), body(args, exchange), {
    ...signalOf(call),
    ...(type === undefined ? {} : { type }),
    ...(mtime === undefined ? {} : { mtime }),
    ...(executable === undefined ? {} : { executable }),
    ...(args.ifVersion === undefined
      ? {}
      : { ifVersion: args.ifVersion === null ? null : text(args, 'ifVersion') }),
    onProgress: (progress) => exchange.progress(progress),
  })
  exchange.flushProgress()
  return version
}

/** The client learns where it begins, so that it misses nothing when another device goes on before anything has changed. */
async function watch({ exchange, args }: Call, workspace: Workspace): Promise<void> {
  const { signal } = exchange
  const since = optionalText(args, 'since') ?? (await workspace.cursor({ signal }))
  exchange.note({ cursor: since })
  await exchange.sendItems(workspace.watch(text(args, 'path'), { since, signal }))
}

/** Numbers of transactions are told apart in the whole device: a client cannot mean another's by mistake. */
let lastTransaction = 0

/** The transaction is open here for as long as the client's function runs there. */
async function transact({ exchange, client }: Call, workspace: Workspace): Promise<unknown> {
  const { transactions } = client
  if (transactions.size >= MAX_TRANSACTIONS)
    throw new PeerfoldError('BUSY', `more than ${MAX_TRANSACTIONS} transactions of one tab`)
  const tx = ++lastTransaction
  const { commit } = await workspace.transact(
    async (writer) => {
      transactions.set(tx, writer)
      try {
        exchange.note({ tx })
        await exchange.inputEnd()
      } finally {
        transactions.delete(tx)
      }
    },
    { signal: exchange.signal },
  )
  return commit
}
