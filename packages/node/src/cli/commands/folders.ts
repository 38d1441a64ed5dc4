import { type Command, Option } from 'commander'
import type { BoundFolder } from '../../service/select-folder.js'
import type { CommandContext } from '../context.js'
import { printable } from '../printable.js'
import { type PlannedFolder, printPlan } from './print-plan.js'

/** `plan`, `pause`, `resume`: what becomes of a synced folder, and when. */
export function addFolderCommands(program: Command, context: CommandContext): void {
  const verb = (spec: string, description: string) =>
    program
      .command(`${spec} [folder]`)
      .description(description)
      .option('-w, --workspace <name>', 'by name or id, when there are several')

  verb('plan', 'shows what would be published and applied next, and changes nothing')
    .option('--dry-run', 'changes nothing; the default')
    .addOption(
      new Option(
        '--accept',
        'shows and carries out a plan that was stopped because it removes much',
      ).conflicts('dryRun'),
    )
    .action(async (folder: string | undefined, { accept, workspace }) => {
      const params = { ...paramsOf(folder, workspace), accept }
      const planned = (await context.call('plan', params)) as PlannedFolder
      if (context.json) context.printJson(planned)
      else printPlan(context, planned)
    })
  verb('pause', 'stops syncing a folder until `resume`, also over restarts').action(
    async (folder: string | undefined, { workspace }) => {
      const paused = (await context.call('pause', paramsOf(folder, workspace))) as BoundFolder
      if (context.json) context.printJson(paused)
      else context.print(`${printable(paused.directory)} is paused; \`peerfold resume\` lets it go on`)
    },
  )
  verb('resume', 'goes on syncing a folder that was paused').action(
    async (folder: string | undefined, { workspace }) => {
      const resumed = (await context.call('resume', paramsOf(folder, workspace))) as BoundFolder
      if (context.json) context.printJson(resumed)
      else context.print(`${printable(resumed.directory)} is synced again`)
    },
  )
}

function paramsOf(folder: string | undefined, workspace: string | undefined): Record<string, unknown> {
  return { folder, workspace, cwd: process.cwd() }
}
