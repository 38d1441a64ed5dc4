import { readFileSync } from 'node:fs'
import { isPeerfoldError, PeerfoldError } from '@peerfold/core'
import { describeError, type ErrorDescription, EXIT, printable, refuseEmpty } from '@peerfold/node/control'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { type Given, unknownName } from '../config/load-config.js'
import { SETTINGS } from '../config/schema.js'
import { addAllowCommand } from './commands/allow.js'
import { addGcCommand } from './commands/gc.js'
import { addLimitsCommand } from './commands/limits.js'
import { addResetCommand } from './commands/reset.js'
import { addStartCommand } from './commands/start.js'
import { addStatusCommand } from './commands/status.js'
import { addVerifyCommand } from './commands/verify.js'
import { type CommandContext, createContext } from './context.js'
import { FoundDamage } from './found-damage.js'

/**
 * Runs one command line.
 *
 * @returns the exit code: 0 only on success, 1 for an error, 2 for wrong usage, 130 when interrupted. Being stopped is success for `start`.
 */
export async function runCli(args: readonly string[]): Promise<number> {
  const context = createContext()
  try {
    const exitCode = await runProgram(context, args)
    await context.flush()
    return exitCode
  } catch (error) {
    return reportError(error, context.json || args.includes('--json'))
  } finally {
    context.close()
  }
}

/** @returns the exit code of a command that has said all there is to say; throws what is still to be reported */
async function runProgram(context: CommandContext, args: readonly string[]): Promise<number> {
  try {
    await createProgram(context).parseAsync([...args], { from: 'user' })
    return EXIT.ok
  } catch (error) {
    // Help and the version end like that.
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok
    if (error instanceof FoundDamage) return EXIT.failed
    if (context.signal.aborted) return EXIT.interrupted
    throw error
  }
}

function createProgram(context: CommandContext): Command {
  const program = new Command('peerfold-relay')
    .description('Holds ciphertext for devices that are away, and cannot read it.')
    .version(ownVersion(), '--version', 'shows the version')
    .helpOption('-h, --help', 'shows this')
    .helpCommand('help [command]', 'the same as --help')
    .option('--data <dir>', 'where keys, log and blocks lie (or PEERFOLD_RELAY_DATA)')
    .option('--config <file>', 'settings as YAML or JSON (or PEERFOLD_RELAY_CONFIG)')
    .option('--set <name=value>', 'any setting, such as limits.quota=5GiB; can be repeated', parseSetting)
    .option('--json', 'answers as JSON, one object a line')
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .showSuggestionAfterError(true)
    .addHelpText('after', '\n`peerfold-relay COMMAND --help` tells more.')
  program.hook('preAction', (_, command) => {
    for (const each of [program, command]) refuseEmpty(each)
    context.configure(command.optsWithGlobals())
  })
  addStartCommand(program, context)
  addStatusCommand(program, context)
  addAllowCommand(program, context)
  addLimitsCommand(program, context)
  addGcCommand(program, context)
  addResetCommand(program, context)
  addVerifyCommand(program, context)
  return program
}

function parseSetting(text: string, before: Given = {}): Given {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (name === undefined) throw new InvalidArgumentError('NAME=VALUE, such as limits.quota=5GiB')
  if (!SETTINGS.includes(name)) {
    const { message, hint } = unknownName(name, SETTINGS, '--set')
    throw new InvalidArgumentError(`${message}. ${hint}`)
  }
  return { ...before, [name]: value }
}

function ownVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** An error is one line on stderr: its code, what happened, what to do. */
function reportError(error: unknown, json: boolean): number {
  const isUsage = error instanceof CommanderError
  const said = isUsage ? describeUsage(error) : describeFailure(error)
  const line = json ? JSON.stringify(said) : `${said.code}: ${oneLine(said.message)} — ${said.hint}`
  process.stderr.write(`${line}\n`)
  // A setting that is wrong is wrong usage, wherever it was set.
  return isUsage || isPeerfoldError(error, 'INVALID_ARGUMENT') ? EXIT.usage : EXIT.failed
}

/** Hints of codes that are written for devices. */
const HINTS: Record<string, string> = {
  HOME_LOCKED: 'Another process uses this data directory; stop it, or name another with --data.',
  HOME_INVALID: 'It must be a directory that this user may write; name another with --data.',
  LOG_CORRUPT: 'Stop the relay and run `peerfold-relay verify`: it names what is damaged.',
}

function describeFailure(error: unknown): ErrorDescription {
  const said = describeError(error)
  // Hints that were written for just this error stay.
  const isOwn = isPeerfoldError(error) && error.hint !== new PeerfoldError(error.code, '').hint
  return isOwn ? said : { ...said, hint: HINTS[said.code] ?? said.hint }
}

function describeUsage(error: CommanderError): ErrorDescription {
  const message =
    error.code === 'commander.help'
      ? 'there is no such command, or none is named'
      : error.message.replace(/^error: /, '')
  const hint = '`peerfold-relay --help` lists commands and flags.'
  return { code: 'USAGE', message, hint, retryable: false }
}

function oneLine(text: string): string {
  return printable(text.replace(/\s*\n\s*/g, ' '))
}
