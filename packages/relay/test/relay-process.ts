import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

export interface Outcome {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** A `peerfold-relay` under way. */
export interface RelayProcess {
  child: ChildProcess
  output: { stdout: string; stderr: string }
  /** The next line that it prints as JSON; throws when it ends instead. */
  line(): Promise<any>
  ended: Promise<Outcome>
}

export function startRelayCommand(
  args: readonly string[],
  env: Record<string, string> = {},
  /** What the command line begins with, such as a program that runs it elsewhere. */
  through: readonly string[] = [],
): RelayProcess {
  const [program, ...rest] = [...through, process.execPath, CLI, ...args] as [string]
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('PEERFOLD_'))
  const child = spawn(program, rest, {
    env: { ...Object.fromEntries(clean), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, ...output }) as Outcome)
  return {
    child,
    output,
    ended,
    line: async () => {
      const { value, done } = await lines.next()
      if (done === true) throw new Error(`peerfold-relay ${args.join(' ')} ended: ${(await ended).stderr}`)
      return JSON.parse(value as string)
    },
  }
}

export async function relayCommand(args: readonly string[], env?: Record<string, string>): Promise<Outcome> {
  return await startRelayCommand(args, env).ended
}

export interface RunningRelay extends RelayProcess {
  peer: string
  addresses: string[]
  urls: string[]
  pid: number
  /** From the start of the process to `ready`, milliseconds. */
  readyMs: number
  /** As an operator would. @returns how it ended */
  stop(signal?: NodeJS.Signals): Promise<Outcome>
}

/** On loopback, on ports of its own choice. */
export async function runRelay(
  data: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<RunningRelay> {
  const begun = performance.now()
  const listen = ['--data', data, '--listen', LOOPBACK, '--http', '127.0.0.1:0']
  const relay = startRelayCommand(['start', '--json', ...listen, ...args], env)
  const { peer, addresses, urls, pid } = await relay.line()
  return {
    ...relay,
    ...{ peer, addresses, urls, pid },
    readyMs: performance.now() - begun,
    stop: async (signal = 'SIGTERM') => {
      relay.child.kill(signal)
      return await relay.ended
    },
  }
}
