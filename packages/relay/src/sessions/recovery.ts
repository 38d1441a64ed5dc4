import { PeerfoldError } from '@peerfold/core'
import {
  bundleId,
  checkRoot,
  MAX_BUNDLE_BYTES,
  type RelayAnswer,
  type RelayRequestOf,
  STEP_MS,
} from '@peerfold/core/relay'
import { checkTime } from './access.js'
import type { Context } from './context.js'

/** Keeps a device's recovery bundle (PROTOCOL.md §10.7). */
export async function answerKeep(context: Context, request: RelayRequestOf<'keep'>): Promise<RelayAnswer> {
  const mayPush = [...context.opened.values()].some(({ role }) => role === 'push')
  if (!mayPush) throw new PeerfoldError('UNAUTHORIZED', 'only who may push somewhere keeps a bundle here')
  await context.parts.bundles.keep(request.id, context.sender.peer, request.bundle)
  return { type: 'kept', n: request.n }
}

/** All bundles of the user whose root key signed, one answer each. */
export async function answerRecover(context: Context, request: RelayRequestOf<'recover'>): Promise<void> {
  const { parts } = context
  const { n, root, time, signature } = request
  checkTime(parts, time)
  if (!(await checkRoot(parts.crypto, root, context.channel, time, signature))) {
    throw new PeerfoldError('UNAUTHORIZED', 'it is not signed by that root key')
  }
  const id = bundleId(root)
  const holders = parts.bundles.holders(id)
  for (const [i, peer] of holders.entries()) {
    await deliverBundle(context, n, holders.length - 1 - i, () => parts.bundles.read(id, peer))
  }
  if (holders.length === 0) await context.deliver({ type: 'bundle', n, bytes: undefined, more: 0 })
}

async function deliverBundle(
  { parts, signal, deliver }: Context,
  n: number,
  more: number,
  read: () => Promise<Uint8Array | undefined>,
): Promise<void> {
  await parts.answerBytes.take(parts.clock, STEP_MS, MAX_BUNDLE_BYTES, { signal })
  try {
    await deliver({ type: 'bundle', n, bytes: await read(), more })
  } finally {
    parts.answerBytes.give(MAX_BUNDLE_BYTES)
  }
}
