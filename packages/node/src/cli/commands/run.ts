import type { Status } from '@peerfold/core'
import type { Command } from 'commander'
import { type ControlServer, startControlServer } from '../../service/control-server.js'
import { controlPath, openService, type Service } from '../../service/service.js'
import type { CommandContext } from '../context.js'
import { showActivity, showStatusChanges } from '../live.js'
import { printTicket } from '../ticket.js'
import { printPhrase } from './set-up.js'

interface ListenOptions {
  listen?: string[]
  mdns: boolean
}

/** `start` and `up`: the commands that stay. */
export function addRunCommands(program: Command, context: CommandContext): void {
  withListening(program.command('up <folder>'))
    .description('sets this device up if need be, adds the folder, prints a ticket and syncs until stopped')
    .option('--name <name>', 'name of this device')
    .action(async (folder: string, options: ListenOptions & { name?: string }) => {
      await runUntilStopped(context, options, async (service) => {
        if (!service.peerfold.hasIdentity) printPhrase(context, await service.setUp(options.name))
        await service.call('add', { folder, existing: true })
        await service.call(
          'invite',
          {},
          {
            emit: (event) => event.type === 'ticket' && printTicket(context, event),
            signal: context.signal,
            detach: true,
          },
        )
      })
    })
  withListening(program.command('start'))
    .description('syncs until stopped')
    .action((options: ListenOptions) => runUntilStopped(context, options, async () => {}))
}

function withListening(command: Command): Command {
  return command
    .option(
      '--listen <multiaddr...>',
      'where to listen; default: any free TCP and WebSocket port on all addresses',
    )
    .option('--no-mdns', 'do not look for devices on the local network')
}

async function runUntilStopped(
  context: CommandContext,
  options: ListenOptions,
  prepare: (service: Service) => Promise<void>,
): Promise<void> {
  const { listen, mdns } = options
  const service = await openService({
    home: context.home,
    needs: 'all',
    listen,
    mdns,
    signal: context.signal,
  })
  let control: ControlServer | undefined
  try {
    control = await startControlServer(controlPath(context.home), service)
    await prepare(service)
    // Refuses early, with what to do, rather than running without anything to sync.
    const { device } = service.peerfold
    sayReady(context, service.peerfold.status.value)
    const stops = [showActivity(context, service), showStatusChanges(context, service.peerfold.status)]
    await stopped(context.signal)
    for (const stop of stops) stop()
    if (!context.json) context.print(`${device.name} stops`)
  } finally {
    await control?.close()
    await service.close()
  }
}

function sayReady(context: CommandContext, status: Status): void {
  if (context.json) {
    context.printJson({ type: 'ready', device: status.device, addresses: status.addresses })
    return
  }
  context.print(`${status.device.name} is ready at`)
  for (const address of status.addresses) context.print(`  ${address}`)
  for (const { name, folder } of status.workspaces)
    context.print(`  ${name}: ${folder ?? 'no folder on this device'}`)
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
