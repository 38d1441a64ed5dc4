import type { Peerfold } from '@peerfold/core'

let opened: Promise<Peerfold> | undefined

/** The device of this browser: one for the page, however often it is asked for. After a failure it is tried anew. */
export function openDevice(): Promise<Peerfold> {
  opened ??= open().catch((error: unknown) => {
    opened = undefined
    throw error
  })
  return opened
}

async function open(): Promise<Peerfold> {
  const { openPeerfold } = await import('@peerfold/browser')
  return await openPeerfold({ name: 'browser' })
}
