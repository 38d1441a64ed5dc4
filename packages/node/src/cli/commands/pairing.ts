import type { DeviceListing } from '@peerfold/core'
import type { Command } from 'commander'
import type { CommandContext } from '../context.js'
import { withLimits } from '../limits.js'
import { parsePath } from '../parse-path.js'
import { printable } from '../printable.js'
import { printTicket } from '../ticket.js'

/** `invite` and `join`: how further devices come in. */
export function addPairingCommands(program: Command, context: CommandContext): void {
  withLimits(program.command('invite'))
    .description('prints a ticket for another device of yours and waits until it is used')
    .action(async () => {
      let shown: Promise<void> = Promise.resolve()
      const accepted = await context.call(
        'invite',
        {},
        {
          emit: (event) => {
            if (event.type === 'ticket') shown = printTicket(context, event)
          },
        },
      )
      await shown
      const { device } = accepted as { device: DeviceListing }
      if (context.json) context.printJson({ accepted: device })
      else context.print(`${printable(device.name)} joined.`)
    })
  withLimits(program.command('join <ticket>'))
    .description('makes this a device of yours, with a ticket from another one')
    .option('--folder <folder>', 'where its workspace is to lie on this device', parsePath)
    .option('--name <name>', 'name of this device')
    .action(async (ticket: string, { folder, name }: { folder?: string; name?: string }) => {
      const result = (await context.call('join', {
        ticket,
        name,
        folder,
      })) as { device: { name: string }; workspaces: Array<{ name: string; folder?: string }> }
      if (context.json) {
        context.printJson(result)
        return
      }
      context.print(`This device is ${printable(result.device.name)}.`)
      for (const workspace of result.workspaces)
        context.print(
          `  ${printable(workspace.name)}: ${printable(workspace.folder ?? 'no folder on this device')}`,
        )
      context.print('Run `peerfold start` to sync.')
    })
}
