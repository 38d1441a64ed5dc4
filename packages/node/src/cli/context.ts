import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { PeerfoldError, type TransferRates } from '@peerfold/core'
import { connectControl } from '../service/control-client.js'
import { controlPath } from '../service/control-path.js'
import type { OperationIo, ServiceCaller } from '../service/operation.js'
import { operationNeeds } from '../service/operations.js'
import { EXIT } from './exit.js'
import { type LimitOptions, ratesOf, refuseLimits } from './limits.js'
import { createProgressBars } from './progress.js'

/** What every command gets: where the home is, how to speak, how fast files may pass, when to stop. */
export interface CommandContext {
  readonly home: string
  readonly json: boolean
  readonly rates: TransferRates
  readonly signal: AbortSignal
  configure(options: GlobalOptions): void
  /** One line on stdout. */
  print(text: string): void
  /** One JSON object on one line on stdout. */
  printJson(value: unknown): void
  /** Runs an operation in the process that has the home open, or here when none has. */
  call(operation: string, params?: Record<string, unknown>, io?: Partial<OperationIo>): Promise<unknown>
  /** Resolves when what was printed is written, or could not be: then `signal` is aborted. */
  flush(): Promise<void>
  close(): void
}

type GlobalOptions = LimitOptions & { home?: string; json?: boolean }

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** A signal ends the command in order, the same one again at once. */
export function createContext(): CommandContext {
  const controller = new AbortController()
  const received = new Set<NodeJS.Signals>()
  const stop = (signal: NodeJS.Signals) => {
    if (received.has(signal)) process.exit(EXIT.interrupted)
    received.add(signal)
    controller.abort(new PeerfoldError('ABORTED', 'interrupted'))
  }
  const outputFailed = (error: NodeJS.ErrnoException) => {
    const isPipe = error.code === 'EPIPE'
    controller.abort(isPipe ? new PeerfoldError('ABORTED', 'nobody reads any more') : error)
  }
  for (const signal of STOP_SIGNALS) process.on(signal, stop)
  process.stdout.on('error', outputFailed)
  // Nobody is left to be told: the exit code still says it.
  process.stderr.on('error', () => {})
  const context = {
    home: defaultHome(),
    json: false,
    rates: {} as TransferRates,
    signal: controller.signal,
    configure(options: GlobalOptions) {
      if (options.home !== undefined) context.home = options.home
      context.json = options.json ?? false
      context.rates = ratesOf(options)
    },
    print: (text: string) => void process.stdout.write(`${text}\n`),
    printJson: (value: unknown) => void process.stdout.write(`${JSON.stringify(value)}\n`),
    call: (operation: string, params: Record<string, unknown> = {}, io: Partial<OperationIo> = {}) =>
      callOperation(context, operation, params, io),
    // An error of the stream is told after the callback of the write.
    flush: () => new Promise<void>((done) => process.stdout.write('', () => setImmediate(done))),
    close: () => {
      for (const signal of STOP_SIGNALS) process.off(signal, stop)
    },
  }
  return context
}

function defaultHome(): string {
  return resolve(process.env.PEERFOLD_HOME || join(homedir(), '.peerfold'))
}

async function callOperation(
  context: CommandContext,
  operation: string,
  params: Record<string, unknown>,
  io: Partial<OperationIo>,
): Promise<unknown> {
  const caller = await findCaller(context, operation)
  const bars = createProgressBars(context.json)
  try {
    return await caller.call(operation, params, {
      ...io,
      signal: context.signal,
      emit: (event) => (event.type === 'progress' ? bars.update(event) : io.emit?.(event)),
    })
  } finally {
    bars.stop()
    await caller.close()
  }
}

async function findCaller(context: CommandContext, operation: string): Promise<ServiceCaller> {
  const { home, rates, signal } = context
  const running = await connectControl(controlPath(home))
  if (running !== undefined) {
    refuseLimits(rates)
    return running
  }
  // Loaded when it is needed only: asking a running device takes a tenth of the time.
  const { openService } = await import('../service/service.js')
  return await openService({ home, needs: operationNeeds(operation), rates, signal })
}
