import { type AbortOptions, type DeviceListing, type Invite, PeerfoldError } from '@peerfold/core'
import { raceSignal } from '@peerfold/core/async'
import type { Exchange } from './link.js'
import type { LinkSource } from './link-source.js'

/** Makes an invitation that lasts as long as the exchange does that it holds open. */
export async function inviteRemotely(
  source: LinkSource,
  { lifetime, signal }: AbortOptions & { lifetime?: number } = {},
): Promise<Invite> {
  signal?.throwIfAborted()
  const link = await source.current({ signal })
  let exchange: Exchange | undefined
  let accept = (_: DeviceListing) => {}
  let fail = (_: PeerfoldError) => {}
  const accepted = new Promise<DeviceListing>((resolve, reject) => {
    accept = resolve
    fail = reject
  })
  // Whoever does not ask is not told.
  const ended = accepted.then(() => {}).catch(() => {})
  let withdrawn = false
  const close = async (): Promise<void> => {
    withdrawn = true
    exchange?.abort()
    await raceSignal(ended, link.lost).catch(() => {})
  }
  const opened = new Promise<{ ticket: string; url: string; expires: Date }>((resolve, reject) => {
    exchange = link.open(
      { method: 'devices.invite', args: { lifetime } },
      {
        onNote: ({ invite }) => {
          if (invite !== undefined) resolve(invite)
        },
        onDone: (listing) => accept(listing as DeviceListing),
        onFail: (error) => {
          reject(error)
          fail(withdrawn ? new PeerfoldError('CLOSED', 'the invitation was withdrawn') : error)
        },
      },
    )
  })
  try {
    const { ticket, url, expires } = await raceSignal(opened, signal)
    return {
      ticket,
      url,
      expires,
      accepted: (options) => raceSignal(accepted, options?.signal),
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    exchange?.abort(true)
    throw error
  }
}
