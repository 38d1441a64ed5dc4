import type { DeviceListing } from '@peerfold/core'
import type { Command } from 'commander'
import type { CommandContext } from '../context.js'
import { printable } from '../printable.js'

/** `device list` and `device remove`. */
export function addDeviceCommands(program: Command, context: CommandContext): void {
  const device = program.command('device').description('lists and removes devices of yours')
  device
    .command('list')
    .description('lists your devices')
    .action(async () => {
      const devices = (await context.call('device-list')) as DeviceListing[]
      if (context.json) {
        for (const row of devices) context.printJson(row)
        return
      }
      for (const row of devices) {
        const standing = row.current ? 'this device' : row.connected ? 'connected' : row.state
        context.print(`${row.id.slice(0, 12)}  ${printable(row.name).padEnd(20)}  ${standing}`)
      }
    })
  device
    .command('remove <device>')
    .description(
      'removes a device by name, or by 8 or more letters of its id: it gets no new keys, and nobody talks to it any more',
    )
    .action(async (name: string) => {
      const removed = (await context.call('device-remove', { device: name })) as { id: string; name: string }
      if (context.json) context.printJson({ removed })
      else context.print(`removed ${printable(removed.name)}`)
    })
}
