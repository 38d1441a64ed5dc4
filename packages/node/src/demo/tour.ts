import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { DemoDevice } from './device.js'
import type { DemoRelay } from './relay.js'
import type { Listing } from './verifier.js'

export interface Tour {
  laptop: DemoDevice
  desktop: DemoDevice
  /** One, or two of which one is killed in the middle. */
  relays: DemoRelay[]
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

/** What lies at a path of a device's folder, as the verifier would see it. */
export async function describe(device: DemoDevice, path: string): Promise<Listing[string]> {
  const file = join(device.folder, path)
  const [bytes, { mtimeMs, mode }] = await Promise.all([readFile(file), stat(file)])
  return {
    type: 'file',
    sha256: createHash('sha256').update(bytes).digest('hex'),
    executable: (mode & 0o100) !== 0,
    mtime: Math.floor(mtimeMs),
  }
}
