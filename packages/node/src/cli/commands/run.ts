import { isPeerfoldError, type Status } from '@peerfold/core'
import type { Command } from 'commander'
import { controlPath } from '../../service/control-path.js'
import { type ControlServer, startControlServer } from '../../service/control-server.js'
import type { Service } from '../../service/service.js'
import type { CommandContext } from '../context.js'
import { withLimits } from '../limits.js'
import { showActivity, showStatusChanges } from '../live.js'
import { parsePath } from '../parse-path.js'
import { printable } from '../printable.js'
import { printTicket } from '../ticket.js'
import { printPhrase, type SetUpResult } from './set-up.js'

interface ListenOptions {
  listen?: string[]
  mdns: boolean
  poll?: boolean
}

/** `start` and `up`: the commands that stay. */
export function addRunCommands(program: Command, context: CommandContext): void {
  withListening(program.command('up').argument('<folder>', 'what to sync', parsePath))
    .description('sets this device up if need be, adds the folder, prints a ticket and syncs until stopped')
    .option('--name <name>', 'name of this device')
    .action(async (folder: string, options: ListenOptions & { name?: string }) => {
      await runUntilStopped(context, options, (service) => bringUp(context, service, folder, options.name))
    })
  withListening(program.command('start'))
    .description('syncs until stopped')
    .action((options: ListenOptions) => runUntilStopped(context, options, async () => {}))
}

/** A new person needs nothing but this: an identity, a folder, and a ticket for the next device. */
async function bringUp(
  context: CommandContext,
  service: Service,
  folder: string,
  name: string | undefined,
): Promise<void> {
  const { signal } = context
  if (!service.peerfold.hasIdentity)
    printPhrase(context, (await service.call('init', { name }, { signal })) as SetUpResult)
  await service.call('add', { folder, existing: true }, { signal })
  let shown: Promise<void> = Promise.resolve()
  const invited = service.call(
    'invite',
    {},
    {
      signal,
      emit: (event) => {
        if (event.type === 'ticket') shown = printTicket(context, event)
      },
    },
  )
  // Whether the ticket is used or runs out, syncing goes on.
  invited.catch((error: unknown) => {
    if (isPeerfoldError(error, 'TICKET_EXPIRED') && !context.json)
      context.print('The ticket has run out; `peerfold invite` makes another.')
  })
  await shown
}

function withListening(command: Command): Command {
  return withLimits(command)
    .option(
      '--listen <multiaddr...>',
      'where to listen; default: any free TCP and WebSocket port on all addresses',
    )
    .option('--no-mdns', 'does not look for devices on the local network')
    .option('--poll', 'asks relays over HTTP instead of holding a session, where streams do not last')
}

/** Being stopped is what these commands end with, also when it comes while they still begin. */
async function runUntilStopped(
  context: CommandContext,
  options: ListenOptions,
  prepare: (service: Service) => Promise<void>,
): Promise<void> {
  try {
    await openAndRun(context, options, prepare)
  } catch (error) {
    if (!context.signal.aborted) throw error
  }
}

async function openAndRun(
  context: CommandContext,
  { listen, mdns, poll }: ListenOptions,
  prepare: (service: Service) => Promise<void>,
): Promise<void> {
  const { home, rates, signal } = context
  const { openService } = await import('../../service/service.js')
  const service = await openService({ home, needs: 'all', listen, mdns, rates, poll, signal })
  let control: ControlServer | undefined
  try {
    control = await startControlServer(controlPath(home), service)
    await prepare(service)
    // Refuses early, with what to do, rather than running without anything to sync.
    const { device } = service.peerfold
    sayReady(context, service.peerfold.status.value)
    const stops = [showActivity(context, service), showStatusChanges(context, service.peerfold.status)]
    await stopped(signal)
    for (const stop of stops) stop()
    if (!context.json) context.print(`${printable(device.name)} stops`)
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
  context.print(`${printable(status.device.name)} is ready at`)
  for (const address of status.addresses) context.print(`  ${address}`)
  for (const { name, folder } of status.workspaces)
    context.print(`  ${printable(name)}: ${printable(folder ?? 'no folder on this device')}`)
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
