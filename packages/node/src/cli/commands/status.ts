import type { Status } from '@peerfold/core'
import { type Command, InvalidArgumentError } from 'commander'
import type { CommandContext } from '../context.js'
import { withLimits } from '../limits.js'
import { printable } from '../printable.js'
import { formatBytes } from '../progress.js'
import { printRelay } from './relays.js'

const DEFAULT_WAIT_SECONDS = 600
/** What timers can do. */
const MAX_WAIT_SECONDS = 2_000_000

/** `status`: what this device has, whom it sees, what it waits for. */
export function addStatusCommand(program: Command, context: CommandContext): void {
  withLimits(program.command('status'))
    .description('shows devices, workspaces and what is waited for')
    .option(
      '--wait',
      'waits until all on disk now is scanned and acknowledged by all reachable devices; exit 3 without any, 4 on timeout',
    )
    .option('--timeout <seconds>', 'how long --wait waits', parseSeconds, DEFAULT_WAIT_SECONDS)
    .action(async ({ wait, timeout }: { wait?: boolean; timeout: number }) => {
      const status = (await context.call(wait === true ? 'wait' : 'status', {
        timeoutMs: timeout * 1000,
      })) as Status
      if (context.json) context.printJson(inFull(status))
      else printStatus(context, status)
    })
}

/** Programs find every field, with null for what there is not. */
function inFull(status: Status): object {
  const peers = status.peers.map((peer) => ({ ...peer, via: peer.via ?? null }))
  const workspaces = status.workspaces.map((workspace) => ({
    ...workspace,
    folder: workspace.folder ?? null,
    waitingFor: workspace.waitingFor.map(({ path, device, lastSeen }) => ({
      path,
      device: device ?? null,
      lastSeen: lastSeen ?? null,
    })),
  }))
  return { ...status, peers, workspaces }
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (!(seconds > 0 && seconds <= MAX_WAIT_SECONDS))
    throw new InvalidArgumentError(`a number of seconds above 0, at most ${MAX_WAIT_SECONDS}`)
  return seconds
}

function printStatus(context: CommandContext, status: Status): void {
  context.print(`${printable(status.device.name)}  ${status.device.id.slice(0, 12)}`)
  for (const relay of status.relays) printRelay(context, relay)
  for (const peer of status.peers.filter(({ kind }) => kind === 'device'))
    context.print(
      `  ${printable(peer.name).padEnd(20)} ${peer.connected ? `connected (${peer.via})` : 'not connected'}`,
    )
  for (const workspace of status.workspaces) {
    context.print(
      `${printable(workspace.name)}: ${workspace.state}, ${workspace.files} files, ${formatBytes(workspace.bytes)}`,
    )
    context.print(
      `  folder: ${printable(workspace.folder ?? 'none on this device')}; copies: ${workspace.copies.min}`,
    )
    if (workspace.error !== undefined)
      context.print(
        `  ${workspace.error.code}: ${printable(workspace.error.message)} — ${workspace.error.hint}`,
      )
    const { files, bytes } = workspace.pending
    if (files > 0) context.print(`  pending: ${files} files, ${formatBytes(bytes)}`)
    for (const { path, device } of workspace.waitingFor.slice(0, 10))
      context.print(
        `  waiting for ${printable(path)}${device === undefined ? '' : ` from ${printable(device)}`}`,
      )
    for (const { path, code, message } of workspace.issues.slice(0, 10))
      context.print(`  ${code}: ${printable(path)}: ${printable(message)}`)
  }
  if (status.problem !== undefined)
    context.print(`${status.problem.code}: ${printable(status.problem.message)} — ${status.problem.hint}`)
}
