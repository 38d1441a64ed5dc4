import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PeerfoldError } from '@peerfold/core'
import type { RelayConfig } from '../config/schema.js'
import { toLimits } from '../config/to-limits.js'
import type { RelayService } from '../service.js'
import { actAsOwner } from './act-as-owner.js'

/** Opens a relay that does not run, without anyone noticing, for as long as `use` takes. */
export async function withStoppedRelay<T>(
  config: RelayConfig,
  use: (service: RelayService) => Promise<T>,
): Promise<T> {
  await checkIsRelay(config.data)
  const { createRelay } = await import('../relay.js')
  await actAsOwner(config.data)
  let service: RelayService | undefined
  const relay = await createRelay({
    directory: config.data,
    listen: [],
    limits: toLimits(config),
    http: async (opened) => {
      service = opened
      return { urls: () => [], close: async () => {} }
    },
  })
  try {
    if (service === undefined) throw new PeerfoldError('INTERNAL', 'the relay has no service')
    return await use(service)
  } finally {
    await relay.close()
  }
}

/** Looking at a relay must not make one where a directory was misspelt. @throws {PeerfoldError} `HOME_INVALID` */
export async function checkIsRelay(data: string): Promise<void> {
  const key = await stat(join(data, 'key')).catch(() => undefined)
  if (key?.isFile() === true) return
  throw new PeerfoldError('HOME_INVALID', `there is no relay in ${data}`, {
    hint: 'Name its data directory with --data; `peerfold-relay start` makes a new one.',
  })
}
