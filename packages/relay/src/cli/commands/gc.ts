import { formatBytes } from '@peerfold/node/control'
import type { Command } from 'commander'
import { type CommandContext, findRunning } from '../context.js'
import { withStoppedRelay } from '../stopped-relay.js'

interface Collected {
  blocks: number
  bytes: number
}

/** `gc`: frees what may go, now instead of at the relay's next round. */
export function addGcCommand(program: Command, context: CommandContext): void {
  program
    .command('gc')
    .description('frees blocks that no commit came to name in time, and what a crash left over')
    .action(async () => {
      const config = await context.config()
      const running = await findRunning(config)
      const { signal } = context
      const { blocks, bytes } = (
        running === undefined
          ? await withStoppedRelay(config, (service) => service.collect({ signal }))
          : await running.call('gc', {}, { signal })
      ) as Collected
      if (context.json) context.printJson({ blocks, bytes })
      else context.print(`freed ${blocks} blocks, ${formatBytes(bytes)}`)
    })
}
