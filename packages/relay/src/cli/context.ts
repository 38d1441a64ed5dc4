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
  // Who reads no more has had enough of a command; a relay goes on.
  process.stdout.on('error', () => {})
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
