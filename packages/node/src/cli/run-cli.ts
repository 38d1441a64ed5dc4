import { readFileSync } from 'node:fs'
import { isPeerfoldError } from '@peerfold/core'
import { Command, CommanderError } from 'commander'
import { describeError, type ErrorDescription } from '../service/error-description.js'
import { addDeviceCommands } from './commands/devices.js'
import { addExportCommand } from './commands/export.js'
import { addFileCommands } from './commands/files.js'
import { addFolderCommands } from './commands/folders.js'
import { addPairingCommands } from './commands/pairing.js'
import { addRelayCommands } from './commands/relays.js'
import { addRunCommands } from './commands/run.js'
import { addSetUpCommands } from './commands/set-up.js'
import { addStatusCommand } from './commands/status.js'
import { addTrashCommands } from './commands/trash.js'
import { addWhyCommand } from './commands/why.js'
import { type CommandContext, createContext } from './context.js'
import { EXIT } from './exit.js'
import { parsePath } from './parse-path.js'
import { printable } from './printable.js'
import { refuseEmpty } from './refuse-empty.js'

/**
 * Runs one command line.
 *
 * @returns the exit code: 0 only on success, 1 for an error, 2 for wrong usage, 3 without peers, 4 on timeout, 130 when interrupted. Being
 * stopped is success for the commands that stay (`start`, `up`).
 */
export async function runCli(args: readonly string[]): Promise<number> {
  const context = createContext()
  const program = createProgram(context)
  try {
    await parse(program, args)
    await context.flush()
    return outputFailure(context.signal) === undefined
      ? EXIT.ok
      : reportError(undefined, context.json, context.signal)
  } catch (error) {
    return reportError(error, context.json || args.includes('--json'), context.signal)
  } finally {
    context.close()
  }
}

async function parse(program: Command, args: readonly string[]): Promise<void> {
  await program.parseAsync([...args], { from: 'user' }).catch((error: unknown) => {
    // Help and the version end like that.
    if (!(error instanceof CommanderError) || error.exitCode !== 0) throw error
  })
}

function createProgram(context: CommandContext): Command {
  const program = new Command('peerfold')
    .description('Keeps folders the same on all your devices, peer to peer, end-to-end encrypted.')
    .version(ownVersion(), '--version', 'shows the version')
    .helpOption('-h, --help', 'shows this')
    .helpCommand('help [command]', 'the same as --help')
    .option('--home <dir>', 'where this device keeps its keys and blocks (or PEERFOLD_HOME)', parsePath)
    .option('--json', 'answers as JSON, one object a line')
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .showSuggestionAfterError(true)
    .addHelpText(
      'after',
      '\n`peerfold COMMAND --help` tells more. Paths in a workspace are names joined by "/".',
    )
  program.hook('preAction', (_, command) => {
    refuseEmpty(command)
    context.configure(command.optsWithGlobals())
  })
  program.commandsGroup('Devices:')
  addRunCommands(program, context)
  addSetUpCommands(program, context)
  addPairingCommands(program, context)
  addDeviceCommands(program, context)
  addRelayCommands(program, context)
  addStatusCommand(program, context)
  program.commandsGroup('Synced folders:')
  addFolderCommands(program, context)
  addWhyCommand(program, context)
  addTrashCommands(program, context)
  program.commandsGroup('Files of a workspace:')
  addFileCommands(program, context)
  addExportCommand(program, context)
  return program
}

function ownVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** An error is one line on stderr: its code, what happened, what to do. */
function reportError(error: unknown, json: boolean, signal: AbortSignal): number {
  const unwritten = outputFailure(signal)
  if (signal.aborted && unwritten === undefined) return EXIT.interrupted
  const said = error instanceof CommanderError ? describeUsage(error) : describeError(unwritten ?? error)
  const line = json ? JSON.stringify(said) : `${said.code}: ${oneLine(said.message)} — ${said.hint}`
  process.stderr.write(`${line}\n`)
  return EXIT_OF[said.code] ?? EXIT.failed
}

/** Why what was said could not be written, other than that nobody reads it. */
function outputFailure({ aborted, reason }: AbortSignal): unknown {
  return aborted && !isPeerfoldError(reason, 'ABORTED') ? reason : undefined
}

const EXIT_OF: Record<string, number> = { USAGE: EXIT.usage, NO_PEERS: EXIT.noPeers, TIMEOUT: EXIT.timeout }

function describeUsage(error: CommanderError): ErrorDescription {
  const message =
    error.code === 'commander.help'
      ? 'there is no such command, or none is named'
      : error.message.replace(/^error: /, '')
  return { code: 'USAGE', message, hint: '`peerfold --help` lists commands and flags.', retryable: false }
}

function oneLine(text: string): string {
  return printable(text.replace(/\s*\n\s*/g, ' '))
}
