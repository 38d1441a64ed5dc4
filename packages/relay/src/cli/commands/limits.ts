import type { Command } from 'commander'
import { stringify } from 'yaml'
import { type CommandContext, findRunning } from '../context.js'
import { type LimitsAnswer, limitsOf } from '../operations.js'

/** `limits`: what the relay takes at most, and what it refused because of that. */
export function addLimitsCommand(program: Command, context: CommandContext): void {
  program
    .command('limits')
    .description('shows the limits in force, and what was refused because of them')
    .action(async () => {
      const config = await context.config()
      const running = await findRunning(config)
      const answer =
        running === undefined
          ? { limits: limitsOf(config), refused: undefined }
          : ((await running.call('limits', {}, { signal: context.signal })) as LimitsAnswer)
      if (context.json) context.printJson({ ...answer, refused: answer.refused ?? null })
      else printLimits(context, answer)
    })
}

function printLimits(
  context: CommandContext,
  { limits, refused }: Omit<LimitsAnswer, 'refused'> & { refused: LimitsAnswer['refused'] | undefined },
): void {
  context.print(stringify(limits).trimEnd())
  if (refused === undefined) {
    context.print('not running: these are the settings that it would start with')
    return
  }
  context.print('refused since the start:')
  const counts = Object.entries(refused).filter(([, count]) => count > 0)
  for (const [why, count] of counts) context.print(`  ${why}: ${count}`)
  if (counts.length === 0) context.print('  nothing')
}
