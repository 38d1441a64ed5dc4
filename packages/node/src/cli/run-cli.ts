import { isPeerfoldError } from '@peerfold/core'
import { Command, CommanderError } from 'commander'
import { addDeviceCommands } from './commands/devices.js'
import { addFileCommands } from './commands/files.js'
import { addPairingCommands } from './commands/pairing.js'
import { addRunCommands } from './commands/run.js'
import { addSetUpCommands } from './commands/set-up.js'
import { addStatusCommand } from './commands/status.js'
import { type CommandContext, createContext } from './context.js'
import { EXIT, ExitError } from './exit.js'

/**
 * Runs one command line.
 *
 * @returns the exit code: 0 only on success, 1 for an error, 2 for wrong usage, 3 without peers, 4 on timeout, 130 when interrupted
 */
export async function runCli(args: readonly string[]): Promise<number> {
  const context = createContext()
  const program = createProgram(context)
  try {
    await program.parseAsync([...args], { from: 'user' })
    return EXIT.ok
  } catch (error) {
    return reportError(error, context)
  } finally {
    context.close()
  }
}

function createProgram(context: CommandContext): Command {
  const program = new Command('peerfold')
    .description('Keeps folders the same on all your devices, peer to peer, end-to-end encrypted.')
    .option('--home <dir>', 'where this device keeps its keys and blocks (or PEERFOLD_HOME)')
    .option('--json', 'answers as JSON, one object a line', false)
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .showSuggestionAfterError(true)
  program.hook('preAction', (_, command) => context.configure(command.optsWithGlobals()))
  addRunCommands(program, context)
  addSetUpCommands(program, context)
  addPairingCommands(program, context)
  addStatusCommand(program, context)
  addFileCommands(program, context)
  addDeviceCommands(program, context)
  return program
}

/** An error is one line on stderr: its code, what happened, what to do. */
function reportError(error: unknown, context: CommandContext): number {
  if (error instanceof CommanderError) return reportUsage(error)
  if (error instanceof ExitError) return error.exitCode
  if (context.signal.aborted) return EXIT.interrupted
  const line = isPeerfoldError(error)
    ? `${error.code}: ${oneLine(error.message)} — ${error.hint}`
    : `INTERNAL: ${oneLine(error instanceof Error ? error.message : String(error))} — This is a bug in Peerfold: please report it.`
  process.stderr.write(`${line}\n`)
  if (isPeerfoldError(error, 'NO_PEERS')) return EXIT.noPeers
  if (isPeerfoldError(error, 'TIMEOUT')) return EXIT.timeout
  return EXIT.failed
}

function reportUsage(error: CommanderError): number {
  if (error.exitCode === 0) return EXIT.ok
  const message =
    error.code === 'commander.help' ? 'a command is missing' : error.message.replace(/^error: /, '')
  process.stderr.write(`USAGE: ${oneLine(message)} — \`peerfold --help\` lists commands and flags.\n`)
  return EXIT.usage
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ')
}
