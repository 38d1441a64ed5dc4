import { openPeerfold } from '@peerfold/browser'
import type { Peerfold } from '@peerfold/core'
import { deviceName } from './device-name.js'

let opened: Promise<Peerfold> | undefined

/** The device of this browser: one for the page, however often it is asked for. After a failure it is tried anew. */
export function openDevice(): Promise<Peerfold> {
  opened ??= openPeerfold({ name: deviceName(navigator.userAgent) }).catch((error: unknown) => {
    opened = undefined
    throw error
  })
  return opened
}
