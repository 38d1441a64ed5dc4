import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

/** A `peerfold` command under way. */
export interface Command {
  child: ChildProcess
  /** The next line that it prints as JSON; throws when it ends instead. */
  line(): Promise<Record<string, unknown>>
  ended: Promise<Outcome>
}

export function startCommand(
  home: string,
  args: readonly string[],
  input: string | Uint8Array = '',
  /** What the command line begins with, such as a program that runs it elsewhere. */
  through: readonly string[] = [],
): Command {
  const [program, ...rest] = [...through, process.execPath, CLI, '--home', home, ...args] as [string]
  const child = spawn(program, rest)
  const output = { stdout: '', stderr: '' }
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  // A command that refuses does not read what it is sent.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...output }))
  return {
    child,
    ended,
    line: async () => {
      const { value, done } = await lines.next()
      if (done === true) throw new Error(`peerfold ${args[0]} ended: ${(await ended).stderr}`)
      return JSON.parse(value as string) as Record<string, unknown>
    },
  }
}

export async function peerfold(
  home: string,
  args: readonly string[],
  input?: string | Uint8Array,
): Promise<Outcome> {
  return await startCommand(home, args, input).ended
}
