import type { Explanation } from '@peerfold/core'
import type { Command } from 'commander'
import type { ExplainedPath } from '../../service/folder-operations.js'
import type { CommandContext } from '../context.js'
import { printable } from '../printable.js'
import { formatBytes } from '../progress.js'
import { describeAction, markOf } from './print-plan.js'

type Side = NonNullable<Explanation['disk']>
type Wait = ExplainedPath['waits'][number]

/** `why`: all that is known of one path of a synced folder. */
export function addWhyCommand(program: Command, context: CommandContext): void {
  program
    .command('why <path>')
    .description('explains why a file or folder is or is not in sync')
    .option('-w, --workspace <name>', 'by name or id, when there are several')
    .action(async (path: string, { workspace }: { workspace?: string }) => {
      const params = { path, workspace, cwd: process.cwd() }
      const explained = (await context.call('why', params)) as ExplainedPath
      if (context.json) context.printJson(explained)
      else printExplanation(context, explained)
    })
}

function printExplanation(context: CommandContext, explained: ExplainedPath): void {
  const { path, directory, name, disk, synced, merged, versions, ignoredBy } = explained
  context.print(`${printable(path)} in ${printable(directory)} (${printable(name)})`)
  context.print(`  on disk       ${describeSide(disk)}`)
  context.print(`  last synced   ${describeSide(synced)}`)
  const competing = versions > 1 ? `; ${versions} versions compete, \`peerfold versions\` lists them` : ''
  context.print(`  in workspace  ${describeSide(merged)}${competing}`)
  if (ignoredBy !== undefined) context.print(`  ${describeRule(ignoredBy)}`)
  for (const line of describeNext(explained)) context.print(`  ${line}`)
  for (const wait of explained.waits) context.print(`  waits: ${describeWait(wait)}`)
  for (const issue of explained.issues)
    context.print(`  ${issue.code}: ${printable(issue.path)}: ${printable(issue.message)}`)
}

function describeSide(side: Side | undefined): string {
  if (side === undefined) return 'nothing'
  const time = side.mtime === undefined ? '' : `, ${new Date(side.mtime).toISOString()}`
  const truePath = side.path === undefined ? '' : `, named ${printable(side.path)} there`
  const opaque = side.opaque === undefined ? '' : `, left alone (${side.opaque})`
  const what = side.kind === 'folder' ? 'folder' : `file, ${formatBytes(side.size)}${time}`
  return what + truePath + opaque
}

function describeRule({ source, line, pattern }: NonNullable<Explanation['ignoredBy']>): string {
  const where = line === 0 ? source : `${source}, line ${line}`
  return `ignored by ${printable(pattern)} (${where})`
}

const MAX_SHOWN = 20
const WAYS = { publish: 'would be published', apply: 'would be applied' }

function describeNext({ actions, ignoredBy, paused, braked }: ExplainedPath): string[] {
  const shown = actions.filter((action) => markOf(action) !== undefined)
  const lines = shown
    .slice(0, MAX_SHOWN)
    .map((action) => `${WAYS[action.direction]}: ${describeAction(action)}`)
  if (shown.length > MAX_SHOWN) lines.push(`and ${shown.length - MAX_SHOWN} more`)
  if (shown.length === 0 && ignoredBy === undefined) lines.push('nothing is to be done')
  if (paused) lines.push('the folder is paused: `peerfold resume` lets it go on')
  if (braked) lines.push('the brake holds everything: look at `peerfold plan`, then `peerfold plan --accept`')
  return lines
}

function describeWait(wait: Wait): string {
  const since = wait.since === undefined ? '' : ` since ${new Date(wait.since).toISOString()}`
  const until = wait.until === undefined ? '' : `, looked at again ${new Date(wait.until).toISOString()}`
  const path = printable(wait.path)
  if (wait.for === 'rest') return `${path} until it is written${since}${until}`
  if (wait.for === 'rules') return `${path} until the ignore rules are known${until}`
  const seen = wait.lastSeen === undefined ? 'never seen yet' : `last seen ${wait.lastSeen}`
  const device = wait.device === undefined ? '' : ` from ${printable(wait.device)} (${seen})`
  return `content of ${path}${device}${since}`
}
