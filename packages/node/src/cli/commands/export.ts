import { type ExportReport, PeerfoldError } from '@peerfold/core'
import type { Command } from 'commander'
import type { CommandContext } from '../context.js'
import { withLimits } from '../limits.js'
import { parsePath } from '../parse-path.js'
import { printable } from '../printable.js'
import { formatBytes } from '../progress.js'

/** `export`: a workspace as plain files. */
export function addExportCommand(program: Command, context: CommandContext): void {
  withLimits(program.command('export').argument('<directory>', 'where to', parsePath))
    .description(
      'writes a workspace as plain files into a new or empty directory; run again, it goes on where it stopped',
    )
    .option('-w, --workspace <name>', 'by name or id, when there are several')
    .option('--history', 'writes every version of every file, too, also of removed ones, into .history')
    .action(async (directory: string, { workspace, history }: { workspace?: string; history?: boolean }) => {
      const params = { directory, workspace, history }
      const report = (await context.call('export', params)) as ExportReport & { directory: string }
      if (context.json) context.printJson(report)
      else printReport(context, report)
      const { length } = report.lacking
      if (length > 0)
        throw new PeerfoldError(
          'EXPORT_INCOMPLETE',
          `${length} of ${length + report.files} files are lacking`,
        )
    })
}

function printReport(context: CommandContext, report: ExportReport & { directory: string }): void {
  const { files, folders, kept, bytes, directory, renamed, lacking } = report
  for (const { path, as } of renamed) context.print(`${printable(path)} is named ${printable(as)}`)
  for (const { path, version, code, message } of lacking)
    context.print(
      `lacking: ${printable(path)}${version === undefined ? '' : ` (${version})`}: ${code}: ${printable(message)}`,
    )
  const earlier = kept === 0 ? '' : `, ${kept} of them earlier`
  context.print(
    `${files} files${earlier} and ${folders} folders in ${printable(directory)}, ${formatBytes(bytes)} written`,
  )
}
