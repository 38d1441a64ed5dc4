import { join } from 'node:path'
import type { DemoDevice } from './device.js'
import type { DemoDrive } from './drive.js'
import type { DemoRelay } from './relay.js'
import { type Listing, look } from './verifier.js'

export interface Tour {
  laptop: DemoDevice
  desktop: DemoDevice
  /** One, or two of which one is killed in the middle. */
  relays: DemoRelay[]
  drive: DemoDrive
  /** The recovery phrase of the devices' user. */
  phrase: string
  /** A real source tree to begin with. */
  sources: string
  /** What a person expects to find in both folders now. */
  expected: Listing
}

export interface Step {
  title: string
  /** Does what a person would do, waits until the devices say they are done, and says what happened. */
  run(tour: Tour): Promise<string>
}

/** What lies at a path of a device's folder, as the verifier sees it. */
export function describe(device: DemoDevice, path: string): Promise<Listing[string]> {
  return look(join(device.folder, path))
}
