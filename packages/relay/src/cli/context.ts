import { connectControl, controlPath, EXIT, type ServiceCaller } from '@peerfold/node/control'
import { type Given, loadConfig } from '../config/load-config.js'
import type { RelayConfig } from '../config/schema.js'

/** What every command gets: the configuration, how to speak, when to stop. */
export interface CommandContext {
  readonly json: boolean
  readonly signal: AbortSignal
  configure(options: GlobalOptions): void
  /** @param flags of this command, above all else */
  config(flags?: Given): Promise<RelayConfig>
  /** One line on stdout. */
  print(text: string): void
  /** One JSON object on one line on stdout. */
  printJson(value: unknown): void
  /** Resolves when what was printed is written, or nobody reads it. @throws why it could not be written */
  flush(): Promise<void>
  close(): void
}

export interface GlobalOptions {
  config?: string
  data?: string
  set?: Given
  json?: boolean
}

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** A signal ends the command in order, a second one at once. */
export function createContext(): CommandContext {
  const controller = new AbortController()
  const stop = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted)
    controller.abort()
  }
  for (const signal of STOP_SIGNALS) process.on(signal, stop)
  let unwritten: NodeJS.ErrnoException | undefined
  // Who reads no more has had enough of a command; a relay goes on, and tells of any other trouble when it ends.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') unwritten ??= error
  })
  // Nobody is left to be told: the exit code still says it.
  process.stderr.on('error', () => {})
  let given: GlobalOptions = {}
  const context = {
    json: false,
    signal: controller.signal,
    configure: (options: GlobalOptions) => {
      given = options
      context.json = options.json ?? false
    },
    config: (flags: Given = {}) =>
      loadConfig({
        file: given.config,
        env: process.env,
        flags: { ...(given.data === undefined ? {} : { data: given.data }), ...given.set, ...flags },
      }),
    print: (text: string) => void process.stdout.write(`${text}\n`),
    printJson: (value: unknown) => void process.stdout.write(`${JSON.stringify(value)}\n`),
    flush: async () => {
      // An error of the stream is told after the callback of the write.
      await new Promise<void>((done) => process.stdout.write('', () => setImmediate(done)))
      if (unwritten !== undefined) throw unwritten
    },
    close: () => {
      for (const signal of STOP_SIGNALS) process.off(signal, stop)
    },
  }
  return context
}

/** The relay that has this data directory open; undefined when none runs. */
export function findRunning({ data }: RelayConfig): Promise<ServiceCaller | undefined> {
  return connectControl(controlPath(data))
}
