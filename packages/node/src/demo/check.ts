import { join } from 'node:path'
import type { DemoDevice } from './device.js'
import type { DemoDrive } from './drive.js'
import { bringUpPair } from './pair.js'
import type { DemoRelay } from './relay.js'
import { gatherSources } from './sources.js'
import { STEPS, sabotage } from './steps.js'
import type { Tour } from './tour.js'
import { verify } from './verify.js'

export interface CheckOptions {
  drive: DemoDrive
  directory: string
  /** Number of the step whose result is spoiled on purpose, from 1. */
  sabotage: number | undefined
  print: (line: string) => void
}

/** The scripted tour: each step is done, waited for, and checked by a process that only looks at files. @returns whether all passed */
export async function runCheck(
  laptop: DemoDevice,
  desktop: DemoDevice,
  relays: DemoRelay[],
  { drive, directory, sabotage: spoiled, print }: CheckOptions,
): Promise<boolean> {
  const [phrase] = await Promise.all([bringUpPair(laptop, desktop, relays), drive.start()])
  print(
    `laptop is process ${laptop.pid}, desktop is process ${desktop.pid}, ${relays.map(({ pid }) => `relay is process ${pid}`).join(', ')}`,
  )
  const sources = await gatherSources(directory)
  const tour: Tour = { laptop, desktop, relays, drive, phrase, sources, expected: {} }
  for (const [index, step] of STEPS.entries()) {
    const number = index + 1
    try {
      const said = await step.run(tour)
      if (number === spoiled) print(`  sabotage: ${await sabotage(tour)}`)
      const differences = await verify(tour, join(directory, 'expected.json'))
      if (differences !== '') throw new Error(`the folders differ from what is expected:\n${differences}`)
      print(`ok ${number} ${step.title}: ${said}`)
    } catch (error) {
      print(`FAILED ${number} ${step.title}: ${error instanceof Error ? error.message : String(error)}`)
      return false
    }
  }
  return true
}
