import { formatBytes, printable } from '@peerfold/node/control'
import type { Command } from 'commander'
import { type CommandContext, findRunning } from '../context.js'
import { type StatusAnswer, statusOf } from '../operations.js'
import { withStoppedRelay } from '../stopped-relay.js'

/** `status`: what the relay holds, whether it runs, how full its disk is. */
export function addStatusCommand(program: Command, context: CommandContext): void {
  program
    .command('status')
    .description('shows what the relay holds and how it is')
    .action(async () => {
      const config = await context.config()
      const running = await findRunning(config)
      const status =
        running === undefined
          ? await withStoppedRelay(config, (service) => statusOf(service, config, false))
          : ((await running.call('status', {}, { signal: context.signal })) as StatusAnswer)
      if (context.json) context.printJson({ ...status, running: status.running ?? null })
      else printStatus(context, status)
    })
}

function printStatus(context: CommandContext, status: StatusAnswer): void {
  const { running, disk } = status
  context.print(`relay ${status.peer}`)
  if (running === undefined) context.print('  not running')
  else {
    const { pid, seconds, memoryBytes } = running
    const reason = status.reason === undefined ? '' : `: ${printable(status.reason)}`
    context.print(`  ${status.state}${reason}`)
    context.print(`  process ${pid}, for ${formatSeconds(seconds)}, ${formatBytes(memoryBytes)} of memory`)
    context.print(`  sessions: ${status.sessions}; commits that wait for the disk: ${status.queued}`)
  }
  context.print(`  mailboxes: ${status.mailboxes}, commits: ${status.commits}, blocks: ${status.blocks}`)
  context.print(
    `  stored: ${formatBytes(status.bytes)}; disk: ${formatBytes(disk.freeBytes)} of ${formatBytes(disk.totalBytes)} free`,
  )
  for (const address of [...status.addresses, ...status.urls]) context.print(`  ${address}`)
}

function formatSeconds(seconds: number): string {
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`
  return `${Math.floor(seconds / 86_400)} days`
}
