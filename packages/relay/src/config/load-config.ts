import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { PeerfoldError } from '@peerfold/core'
import { closest } from 'fastest-levenshtein'
import * as v from 'valibot'
import { parseDocument } from 'yaml'
import { configSchema, type RelayConfig, SETTINGS } from './schema.js'
import { parseHostPort } from './values.js'

/** What a setting is given as, before it is checked. */
export type Given = Record<string, unknown>

export interface ConfigSources {
  /** A YAML or JSON file. */
  file?: string
  env?: NodeJS.ProcessEnv
  /** Path of a setting → what its flag said. */
  flags?: Given
}

const PREFIX = 'PEERFOLD_RELAY_'
/** Names that say where the settings are, not what they are. */
const NOT_SETTINGS = new Set([`${PREFIX}CONFIG`])

/**
 * The effective configuration: defaults, below the file, below the environment, below flags.
 *
 * @throws {PeerfoldError} `INVALID_ARGUMENT` that names the setting, where it was set, and what it takes
 */
export async function loadConfig(sources: ConfigSources): Promise<RelayConfig> {
  const env = sources.env ?? {}
  const file = sources.file ?? env[`${PREFIX}CONFIG`]
  const given = new Map<string, GivenSetting>()
  const add = (values: Given, source: (name: string) => string) => {
    for (const [name, value] of Object.entries(values)) given.set(name, { value, source: source(name) })
  }
  if (file !== undefined) add(await readConfigFile(file), () => file)
  add(fromEnvironment(env), environmentName)
  add(sources.flags ?? {}, () => 'the command line')
  const tree = nested([...given].map(([name, { value }]) => [name, value]))
  const checked = v.safeParse(configSchema, tree)
  if (!checked.success) throw explain(checked.issues, (name) => given.get(name))
  return settle(checked.output)
}

/** `http.tlsCert` is `PEERFOLD_RELAY_HTTP_TLS_CERT` in the environment. */
export function environmentName(setting: string): string {
  const words = setting.replaceAll('.', '_').replace(/[A-Z]/g, (letter) => `_${letter}`)
  return PREFIX + words.toUpperCase()
}

function fromEnvironment(env: NodeJS.ProcessEnv): Given {
  const settings = new Map(SETTINGS.map((setting) => [environmentName(setting), setting]))
  const found: Given = {}
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || NOT_SETTINGS.has(name) || value === undefined) continue
    const setting = settings.get(name)
    if (setting === undefined) throw unknownName(name, [...settings.keys()], 'the environment')
    found[setting] = value
  }
  return found
}

async function readConfigFile(file: string): Promise<Given> {
  const content = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new PeerfoldError('INVALID_ARGUMENT', `cannot read the configuration ${file}: ${cause.message}`, {
      cause,
    })
  })
  // JSON is YAML.
  const document = parseDocument(content)
  const [problem] = document.errors
  if (problem !== undefined) {
    const [where] = problem.linePos ?? []
    const line = where === undefined ? '' : `:${where.line}:${where.col}`
    throw new PeerfoldError('INVALID_ARGUMENT', `${file}${line}: ${problem.message.split('\n')[0]}`)
  }
  const values: unknown = document.toJS({ maxAliasCount: 0 }) ?? {}
  if (!isSection(values)) throw new PeerfoldError('INVALID_ARGUMENT', `${file} is not a list of settings`)
  return relativeTo(dirname(resolve(file)), flattened(values, file))
}

/** Paths in a file are relative to it, so that it means the same wherever the relay is started from. */
function relativeTo(directory: string, values: Given): Given {
  for (const name of ['data', 'http.tlsCert', 'http.tlsKey']) {
    const value = values[name]
    if (typeof value === 'string' && value !== '') values[name] = resolve(directory, value)
  }
  return values
}

function flattened(values: Given, file: string): Given {
  const flat: Given = {}
  const sections = new Set(SETTINGS.filter((name) => name.includes('.')).map((name) => name.split('.')[0]))
  for (const [name, value] of Object.entries(values)) {
    const inner = sections.has(name) && isSection(value) ? Object.entries(value) : undefined
    if (inner === undefined) flat[name] = value
    else for (const [key, item] of inner) flat[`${name}.${key}`] = item
  }
  const unknown = Object.keys(flat).find((name) => !SETTINGS.includes(name))
  if (unknown === undefined) return flat
  if (sections.has(unknown))
    throw new PeerfoldError('INVALID_ARGUMENT', `${file}: ${unknown} takes settings of its own`)
  throw unknownName(unknown, SETTINGS, file)
}

function isSection(value: unknown): value is Given {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function nested(values: Array<[string, unknown]>): Given {
  const tree: Given = {}
  for (const [name, value] of values) {
    const [section, key] = name.split('.') as [string, string?]
    if (key === undefined) tree[section] = value
    else tree[section] = { ...(tree[section] as Given | undefined), [key]: value }
  }
  return tree
}

/** @returns the error for a name that is no setting, with the one that was probably meant */
export function unknownName(name: string, known: readonly string[], source: string): PeerfoldError {
  return new PeerfoldError('INVALID_ARGUMENT', `${source}: there is no setting ${name}`, {
    hint: `Did you mean ${closest(name, [...known])}? \`peerfold-relay start --print-config\` shows all.`,
  })
}

type Issues = [v.BaseIssue<unknown>, ...v.BaseIssue<unknown>[]]
interface GivenSetting {
  value: unknown
  source: string
}

function explain([issue]: Issues, settingOf: (name: string) => GivenSetting | undefined): PeerfoldError {
  const path = (issue.path ?? []).map((item) => String(item.key))
  const name = SETTINGS.includes(path.slice(0, 2).join('.')) ? path.slice(0, 2).join('.') : (path[0] ?? '')
  const { value, source } = settingOf(name) ?? { value: issue.input, source: 'the configuration' }
  return new PeerfoldError('INVALID_ARGUMENT', `${source}: ${name} is ${shown(value)}`, {
    hint: `It takes ${issue.message.replace(/^Invalid type: Expected /, '')}.`,
  })
}

function shown(value: unknown): string {
  const said = typeof value === 'string' ? value : JSON.stringify(value)
  return (said ?? 'missing').slice(0, 80)
}

/** What no single setting can say. */
function settle(config: RelayConfig): RelayConfig {
  const { http, disk } = config
  if ((http.tlsCert === undefined) !== (http.tlsKey === undefined))
    throw new PeerfoldError('INVALID_ARGUMENT', 'http.tlsCert and http.tlsKey are set together or not at all')
  if (disk.refuseBlocksAt > disk.refuseCommitsAt)
    throw new PeerfoldError('INVALID_ARGUMENT', 'disk.refuseBlocksAt is above disk.refuseCommitsAt', {
      hint: 'Blocks are given up before commits are.',
    })
  checkExposure(config)
  return { ...config, data: resolve(config.data) }
}

/** Tokens travel in each request: whoever reads one on the way could use it (PROTOCOL.md §10.8). */
function checkExposure({ http }: RelayConfig): void {
  const at = parseHostPort(http.listen)
  if (at === undefined) return
  if (http.tlsCert === undefined && !http.behindProxy && !isLoopback(at.host))
    throw new PeerfoldError(
      'INVALID_ARGUMENT',
      `http.listen is ${http.listen}, which others reach, without TLS`,
      {
        hint: 'Set http.tlsCert and http.tlsKey, or http.behindProxy when a proxy speaks TLS, or listen on 127.0.0.1.',
      },
    )
  const isNameless = http.behindProxy || at.host === '0.0.0.0' || at.host === '::'
  if (isNameless && http.announce.length === 0)
    throw new PeerfoldError('INVALID_ARGUMENT', 'http.announce is missing', {
      hint: 'Set it to the URL by which devices reach this relay, such as https://relay.example.org.',
    })
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(host)
}
