import { join } from 'node:path'
import type { Command } from 'commander'
import type { CommandContext } from '../context.js'
import { printable } from '../printable.js'
import { formatBytes } from '../progress.js'

interface Row {
  folder: string
  name: string
  path: string
  size: number
  time: string
}

/** `trash list` and `trash restore`: what was removed or replaced on this disk for others. */
export function addTrashCommands(program: Command, context: CommandContext): void {
  const trash = program
    .command('trash')
    .description('lists and puts back what syncing removed or replaced on this disk')
  trash
    .command('list [folder]')
    .description('lists what was removed or replaced, newest first')
    .option('-w, --workspace <name>', 'by name or id, when there are several')
    .action(async (folder: string | undefined, { workspace }: { workspace?: string }) => {
      await context.call('trash-list', { folder, workspace, cwd: process.cwd() }, { emit })
    })
  trash
    .command('restore <file>')
    .description(
      'puts a file back, by its name in the trash or, the newest, by where it was; never overwrites',
    )
    .option('-w, --workspace <name>', 'by name or id, when there are several')
    .action(async (file: string, { workspace }: { workspace?: string }) => {
      const params = { path: file, workspace, cwd: process.cwd() }
      const restored = (await context.call('trash-restore', params)) as { folder: string; path: string }
      if (context.json) context.printJson(restored)
      else context.print(`restored ${printable(join(restored.folder, restored.path))}`)
    })

  function emit(event: { type: string; row?: unknown }): void {
    if (event.type !== 'row') return
    if (context.json) context.printJson(event.row)
    else context.print(describeRow(event.row as Row))
  }
}

function describeRow({ folder, name, path, size, time }: Row): string {
  const when = time.slice(0, 19).replace('T', ' ')
  return `${when}  ${formatBytes(size).padStart(10)}  ${printable(join(folder, path))}  ${printable(name)}`
}
