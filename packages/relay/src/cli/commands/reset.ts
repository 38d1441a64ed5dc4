import type { Command } from 'commander'
import { type CommandContext, findRunning } from '../context.js'
import { checkHandle } from '../operations.js'
import { withStoppedRelay } from '../stopped-relay.js'

/** `reset`: for a mailbox whose keys a removed device changed before the others did. Nothing in it is lost. */
export function addResetCommand(program: Command, context: CommandContext): void {
  program
    .command('reset <handle>')
    .description('forgets the keys of a mailbox; the next device that may begin mailboxes registers its own')
    .action(async (given: string) => {
      const handle = checkHandle(given)
      const config = await context.config()
      const running = await findRunning(config)
      if (running === undefined) await withStoppedRelay(config, (service) => service.reset(handle))
      else await running.call('reset', { handle }, { signal: context.signal })
      if (context.json) context.printJson({ reset: handle })
      else context.print(`${handle} takes the keys of the next device that may begin mailboxes`)
    })
}
