import type { RelayListing } from '@peerfold/core'
import type { Command } from 'commander'
import type { CommandContext } from '../context.js'
import { printable } from '../printable.js'
import { formatBytes } from '../progress.js'

/** `relay add`, `list` and `remove`. */
export function addRelayCommands(program: Command, context: CommandContext): void {
  const relay = program
    .command('relay')
    .description('adds, lists and removes relays, which hold what is sealed for devices that are away')
  relay
    .command('add <multiaddr>')
    .description('sends everything to a relay, too; its address ends in /p2p/…')
    .action(async (address: string) => {
      const added = (await context.call('relay-add', { address })) as RelayListing
      if (context.json) context.printJson(added)
      else context.print(`${added.peer} is used from now on. \`peerfold relay list\` shows what it holds.`)
    })
  relay
    .command('list')
    .description('lists the relays of this device, and how much they hold')
    .action(async () => {
      const relays = (await context.call('relay-list')) as RelayListing[]
      for (const one of relays) {
        if (context.json) context.printJson(one)
        else printRelay(context, one)
      }
    })
  relay
    .command('remove <relay>')
    .description('removes a relay by address, PeerId or its beginning; what it holds stays there')
    .action(async (wanted: string) => {
      const removed = (await context.call('relay-remove', { relay: wanted })) as { peer: string }
      if (context.json) context.printJson({ removed })
      else context.print(`${removed.peer} is not used any more`)
    })
}

/** One relay in `relay list` and `status`. */
export function printRelay(context: CommandContext, relay: RelayListing): void {
  const state = relay.connected ? 'connected' : 'not connected'
  const room = relay.quota === 0 ? '' : `, ${formatBytes(relay.bytes)} of ${formatBytes(relay.quota)}`
  context.print(`relay ${printable(relay.addresses[0] ?? relay.peer)}: ${state}${room}`)
  if (relay.error !== undefined)
    context.print(`  ${relay.error.code}: ${printable(relay.error.message)} — ${relay.error.hint}`)
}
