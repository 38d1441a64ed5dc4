import type { ApplyAction, FolderPlan, PublishAction } from '@peerfold/core'
import type { BoundFolder } from '../../service/select-folder.js'
import type { CommandContext } from '../context.js'
import { printable } from '../printable.js'
import { formatBytes } from '../progress.js'

/** What the operation `plan` answers. */
export type PlannedFolder = BoundFolder & FolderPlan & { accepted: boolean }

const MARKS: Record<string, string> = {
  create: '+',
  mkdir: '+',
  edit: '~',
  meta: '~',
  move: '→',
  remove: '-',
}

/** What neither side sees done, such as taking note that both hold the same, is not worth a line. */
export function markOf({ do: what }: PublishAction | ApplyAction): string | undefined {
  return MARKS[what]
}

export function printPlan(context: CommandContext, planned: PlannedFolder): void {
  const { publish, apply, paused, directory } = planned
  printSide(context, 'publish', publish)
  printSide(context, 'apply', apply)
  if ([...publish, ...apply].every((action) => markOf(action) === undefined)) context.print('Nothing to do.')
  if (paused) context.print(`${printable(directory)} is paused: \`peerfold resume\` lets it go on.`)
  printBrake(context, planned)
}

/** One line for each change: which way it goes, what it is, where. */
function printSide(
  context: CommandContext,
  direction: 'publish' | 'apply',
  actions: ReadonlyArray<PublishAction | ApplyAction>,
): void {
  const shown = actions.filter((action) => markOf(action) !== undefined)
  if (shown.length === 0) return
  for (const action of shown) context.print(`${direction.padEnd(7)} ${describeAction(action)}`)
  const bytes = shown.reduce((sum, action) => sum + ('bytes' in action ? action.bytes : 0), 0)
  const counts = Object.entries(countMarks(shown)).map(([mark, count]) => `${mark}${count}`)
  context.print(`${direction}: ${counts.join(' ')}, ${formatBytes(bytes)}`)
}

function countMarks(actions: ReadonlyArray<PublishAction | ApplyAction>): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const action of actions) {
    const mark = markOf(action) as string
    counts[mark] = (counts[mark] ?? 0) + 1
  }
  return counts
}

/** `+ docs/a.txt  1.5 KiB` */
export function describeAction(action: PublishAction | ApplyAction): string {
  const from = action.do === 'move' ? `${printable(action.from)} → ` : ''
  const mark = action.do === 'move' ? '→' : (markOf(action) ?? '=')
  const size = 'bytes' in action ? `  ${formatBytes(action.bytes)}` : ''
  return `${mark} ${from}${printable(action.path)}${action.do === 'mkdir' ? '/' : ''}${size}`
}

function printBrake(context: CommandContext, { braked, accepted, removals }: PlannedFolder): void {
  if (accepted) context.print(`Accepted and done: ${removals} items removed.`)
  else if (braked)
    context.print(
      `Stopped: ${removals} items would be removed. If that is right, run \`peerfold plan --accept\`; nothing is done before.`,
    )
}
