import { expect, test } from 'vitest'
import type { Status } from '../../src/api.js'
import { LiveStatus } from '../../src/device/live-status.js'
import { PeerfoldError } from '../../src/errors.js'
import type { Clock } from '../../src/ports/clock.js'

test('a workspace that goes while its status is computed is left out of the next one', async () => {
  const clock = { sleep: async () => {} } as unknown as Clock
  const next = { addresses: ['next'] } as unknown as Status
  const results = [() => Promise.reject(new PeerfoldError('CLOSED', 'the tree is closed')), async () => next]
  const compute = () => (results.shift() as () => Promise<Status>)()
  const live = new LiveStatus({ clock, compute }, {} as Status)
  live.touch()
  while (results.length > 1) await Promise.resolve()
  const shown = new Promise<Status>((resolve) =>
    live.subscribe((status) => status === next && resolve(status)),
  )
  live.touch()
  expect(await shown).toBe(next)
  await live.close()
})
