import type { Invite, Workspace } from '@peerfold/core'
import { raceSignal } from '@peerfold/core/async'
import { optionalNumber, optionalText, optionalTexts, text } from './arguments.js'
import type { Call, Method } from './methods.js'

/** Methods of the device itself. */
export const DEVICE_METHODS: Readonly<Record<string, Method>> = {
  state: ({ client, exchange }) => client.sendState(exchange),
  'identity.create': async ({ peerfold, args, exchange: { signal } }) =>
    await peerfold.identity.create({ ...nameOf(args), signal }),
  'identity.recover': async ({ peerfold, args, exchange: { signal } }) =>
    await peerfold.identity.recover(text(args, 'phrase'), {
      ...nameOf(args),
      relays: optionalTexts(args, 'relays'),
      signal,
    }),
  'devices.invite': invite,
  'devices.join': async ({ peerfold, args, exchange: { signal } }) => {
    const joined = await peerfold.devices.join(text(args, 'ticket'), { ...nameOf(args), signal })
    return await Promise.all(joined.map(listing))
  },
  'devices.list': async ({ peerfold, exchange: { signal } }) => await peerfold.devices.list({ signal }),
  'devices.revoke': async ({ peerfold, args, exchange: { signal } }) =>
    await peerfold.devices.revoke(text(args, 'id'), { signal }),
  'relays.add': async ({ peerfold, args, exchange: { signal } }) =>
    await peerfold.relays.add(text(args, 'address'), { signal }),
  'relays.remove': async ({ peerfold, args, exchange: { signal } }) =>
    await peerfold.relays.remove(text(args, 'relay'), { signal }),
  'workspaces.create': async ({ peerfold, args, exchange: { signal } }) =>
    await listing(await peerfold.workspaces.create(text(args, 'name'), { signal })),
  'workspaces.open': async ({ peerfold, args, exchange: { signal } }) =>
    await listing(await peerfold.workspaces.open(text(args, 'id'), { signal })),
  'workspaces.list': async ({ peerfold, exchange: { signal } }) => await peerfold.workspaces.list({ signal }),
  'workspaces.forget': async ({ peerfold, args, exchange: { signal } }) =>
    await peerfold.workspaces.forget(text(args, 'id'), { signal }),
  settled: async ({ peerfold, exchange: { signal } }) => await peerfold.settled({ signal }),
}

function nameOf(args: Call['args']): { name?: string } {
  const name = optionalText(args, 'name')
  return name === undefined ? {} : { name }
}

/** Clients name a workspace in each call: nothing has to stay open for them. */
async function listing(workspace: Workspace): Promise<{ id: string; name: string }> {
  const { id, name } = workspace
  await workspace.close()
  return { id, name }
}

/** The exchange lasts as long as the invitation: until somebody joined, it expired, or the client closed it. */
async function invite({ peerfold, args, exchange }: Call): Promise<unknown> {
  const { signal } = exchange
  const lifetime = optionalNumber(args, 'lifetime')
  await using open: Invite = await peerfold.devices.invite({ lifetime, signal })
  const { ticket, url, expires } = open
  exchange.note({ invite: { ticket, url, expires } })
  return await raceSignal(open.accepted({ signal }), signal)
}
