import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { runCheck } from './check.js'
import { DemoDevice } from './device.js'
import { DemoDrive } from './drive.js'
import { showLive } from './live.js'
import { DemoRelay } from './relay.js'
import { STEPS } from './steps.js'

/** The main job: two devices, "laptop" and "desktop", with real folders, a relay, and the web drive, all separate processes. */

interface DemoOptions {
  check?: boolean
  sabotage?: number
  dir?: string
  relays: number
}

/** Exit code of a tour that a signal ended. */
const INTERRUPTED = 130

const print = (line: string) => void process.stdout.write(`${line}\n`)

async function main(args: string[]): Promise<number> {
  const options = parseOptions(args)
  if (typeof options === 'number') return options
  const directory =
    options.dir === undefined ? await mkdtemp(join(tmpdir(), 'peerfold-')) : resolve(options.dir)
  const laptop = new DemoDevice('laptop', directory)
  const desktop = new DemoDevice('desktop', directory)
  const relays = Array.from({ length: options.relays }, (_, i) => new DemoRelay(`relay ${i + 1}`, directory))
  const drive = new DemoDrive()
  const interrupted = untilInterrupted()
  try {
    if (options.check !== true) return await showLive(laptop, desktop, relays, { drive, interrupted, print })
    const checked = runCheck(laptop, desktop, relays, { drive, directory, sabotage: options.sabotage, print })
    const passed = await Promise.race([checked, interrupted])
    if (passed === undefined) return INTERRUPTED
    print(passed ? `all ${STEPS.length} steps passed` : 'the tour failed')
    return passed ? 0 : 1
  } finally {
    await Promise.all([laptop.close(), desktop.close(), drive.stop(), ...relays.map((relay) => relay.stop())])
    if (options.check === true && options.dir === undefined)
      await rm(directory, { recursive: true, force: true })
  }
}

/** Signals may come twice: from the terminal, and from npm, which passes them on. */
function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
  })
}

/** @returns the exit code when there is nothing to run */
function parseOptions(args: string[]): DemoOptions | number {
  const program = new Command('npm start --')
    .description(
      'Runs two Peerfold devices, a relay and a web drive on this machine, and shows what happens to the files.',
    )
    .option('--check', 'makes a scripted tour and exits')
    .option(
      '--sabotage <step>',
      'with --check: spoils the result of this step, which must then fail',
      parseStep,
    )
    .option('--relays <number>', '1, or 2: with --check one of them is killed in the middle', parseRelays, 1)
    .option('--dir <directory>', 'where homes and folders lie; default: a new temporary directory')
    .exitOverride()
  try {
    program.parse(args, { from: 'user' })
  } catch (error) {
    return error instanceof CommanderError && error.exitCode === 0 ? 0 : 2
  }
  const options = program.opts<DemoOptions>()
  if (options.sabotage !== undefined && options.check !== true) {
    process.stderr.write('USAGE: --sabotage goes with --check\n')
    return 2
  }
  return options
}

function parseRelays(text: string): number {
  const number = Number(text)
  if (number !== 1 && number !== 2) throw new InvalidArgumentError('1 or 2')
  return number
}

function parseStep(text: string): number {
  const step = Number(text)
  if (!Number.isInteger(step) || step < 1 || step > STEPS.length)
    throw new InvalidArgumentError(`a step from 1 to ${STEPS.length}`)
  return step
}

const exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  return 1
})
process.stdout.write('', () => process.exit(exitCode))
