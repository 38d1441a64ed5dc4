import { type DestinationStream, type Logger, pino } from 'pino'

/** Fields that a line may have; all others are left out, so that nothing gets in by passing a whole object. */
const FIELDS = new Set([
  'address',
  'addresses',
  'bytes',
  'blocks',
  'code',
  'commits',
  'count',
  'damaged',
  'directory',
  'error',
  'handle',
  'kind',
  'line',
  'mailboxes',
  'method',
  'movedTo',
  'ms',
  'part',
  'path',
  'peer',
  'pid',
  'reason',
  'records',
  'route',
  'sessions',
  'signal',
  'state',
  'status',
  'urls',
])
/** Names, keys, tokens and hashes are runs of these; a PeerId (`12D3KooW…`) is no secret, and what an operator allows by. */
const OPAQUE = /(?<![A-Za-z0-9_-])(?!12D3KooW[1-9A-HJ-NP-Za-km-z]{44}(?![A-Za-z0-9_-]))[A-Za-z0-9_-]{28,}/g
const SHOWN = 8
const LONGEST = 500

/** Not all of pino: what a child is given would pass by what keeps secrets out. */
export type RelayLogger = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

export interface LoggerInit {
  /** @default 'info' */
  level?: string
  /** @default stderr: stdout belongs to what a command answers */
  destination?: DestinationStream
}

/**
 * JSON lines. Nothing secret gets in: only known fields are written, and whatever looks like a key, a token, a handle or a hash is cut to its first
 * eight characters, also in messages of errors.
 */
export function createLogger({ level = 'info', destination }: LoggerInit = {}): RelayLogger {
  const log = pino(
    {
      level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'message',
      formatters: { level: (label) => ({ level: label }), log: knownFields },
      hooks: {
        logMethod(args, method) {
          method.apply(this, withoutSecrets(args) as typeof args)
        },
      },
    },
    destination ?? pino.destination({ fd: 2, sync: true }),
  )
  return {
    debug: log.debug.bind(log),
    info: log.info.bind(log),
    warn: log.warn.bind(log),
    error: log.error.bind(log),
  }
}

/** Fields come later, through `knownFields`; of an error alone pino would take the message as it is. */
function withoutSecrets(args: unknown[]): unknown[] {
  const [first, ...others] = args
  const said = first instanceof Error && others.length === 0 ? [{ err: first }, first.message] : args
  return said.map((arg) => (typeof arg === 'string' ? shorten(arg) : arg))
}

function knownFields(fields: Record<string, unknown>): Record<string, unknown> {
  const known = Object.entries(fields).filter(([name]) => FIELDS.has(name) || name === 'err')
  return Object.fromEntries(known.map(([name, value]) => [name === 'err' ? 'error' : name, plain(value)]))
}

/** Errors are their code and message: a stack may quote arguments. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') return shorten(value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value
  if (value instanceof Error) {
    const { code = value.name } = value as { code?: unknown; name: string }
    return shorten(`${String(code)}: ${value.message}`)
  }
  if (Array.isArray(value)) return value.slice(0, 16).map(plain)
  return undefined
}

/** Anything long and opaque is cut: enough is left to tell two apart. */
export function shorten(text: string): string {
  return text.slice(0, LONGEST).replace(OPAQUE, (run) => `${run.slice(0, SHOWN)}…`)
}
