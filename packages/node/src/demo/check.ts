import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DemoDevice } from './device.js'
import { bringUpPair } from './pair.js'
import { gatherSources } from './sources.js'
import { STEPS, sabotage, type Tour } from './steps.js'

const VERIFIER = fileURLToPath(new URL('./verifier.js', import.meta.url))

export interface CheckOptions {
  directory: string
  /** Number of the step whose result is spoiled on purpose, from 1. */
  sabotage: number | undefined
  print: (line: string) => void
}

/** The scripted tour: each step is done, waited for, and checked by a process that only looks at files. @returns whether all passed */
export async function runCheck(
  laptop: DemoDevice,
  desktop: DemoDevice,
  { directory, sabotage: spoiled, print }: CheckOptions,
): Promise<boolean> {
  await bringUpPair(laptop, desktop)
  print(`laptop is process ${laptop.pid}, desktop is process ${desktop.pid}`)
  const tour: Tour = { laptop, desktop, sources: await gatherSources(directory), expected: {} }
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

async function verify(tour: Tour, path: string): Promise<string> {
  await writeFile(path, JSON.stringify(tour.expected))
  const child = spawn(
    process.execPath,
    [VERIFIER, 'compare', path, tour.laptop.folder, tour.desktop.folder],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const [code] = await once(child, 'close')
  return code === 0
    ? ''
    : output.split('\n').slice(0, 10).join('\n') || `the verifier ended with ${String(code)}`
}
