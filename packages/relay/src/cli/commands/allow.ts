import { type Command, CommanderError } from 'commander'
import { addAllowed, checkPeers, listAllowed, removeAllowed } from '../../allowed.js'
import { actAsOwner } from '../act-as-owner.js'
import type { CommandContext } from '../context.js'

/** `allow`: who may begin mailboxes. A relay that runs takes it up with the next request. */
export function addAllowCommand(program: Command, context: CommandContext): void {
  program
    .command('allow [peer...]')
    .description('lets devices begin mailboxes; those of one workspace need only one that may')
    .option('--list', 'shows who may')
    .option('--remove', 'lets them begin no more; mailboxes that they began stay')
    .action(async (peers: string[], { list, remove }: { list?: boolean; remove?: boolean }) => {
      if (peers.length === 0 && list !== true)
        throw new CommanderError(2, 'usage', 'name a PeerId, or ask with --list')
      const { data, open } = await context.config()
      checkPeers(peers)
      await actAsOwner(data)
      const changed = await (remove === true ? removeAllowed : addAllowed)(data, peers)
      if (context.json) context.printJson({ changed, allowed: await listAllowed(data), open })
      else if (list === true) for (const peer of await listAllowed(data)) context.print(peer)
      else say(context, peers, changed, remove === true)
    })
}

function say(context: CommandContext, peers: string[], changed: string[], isRemoval: boolean): void {
  const now = isRemoval ? 'may begin no more mailboxes' : 'may begin mailboxes'
  const before = isRemoval ? 'was not allowed' : 'may begin mailboxes already'
  for (const peer of peers) context.print(`${peer} ${changed.includes(peer) ? now : before}`)
}
