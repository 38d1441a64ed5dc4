import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isPeerfoldError } from '@peerfold/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ConfigSources, environmentName, loadConfig } from '../src/config/load-config.js'
import { SETTINGS } from '../src/config/schema.js'
import { toLimits } from '../src/config/to-limits.js'
import { parseDuration, parseHostPort, parseSize } from '../src/config/values.js'
import { DEFAULT_RELAY_LIMITS } from '../src/limits/defaults.js'

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peerfold-relay-config-'))
})

afterAll(() => rm(directory, { recursive: true, force: true }))

async function file(content: string, name = 'relay.yaml'): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, content)
  return path
}

/** What the error says, in one line. */
async function refusal(sources: ConfigSources): Promise<string> {
  const error = await loadConfig(sources).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isPeerfoldError(error, 'INVALID_ARGUMENT')) throw error ?? new Error('it was taken')
  return `${error.message} — ${error.hint}`
}

describe('where settings come from', () => {
  test('without any, every setting has a default but for the TLS files', async () => {
    const config = await loadConfig({})
    expect(config).toMatchObject({ open: false, http: { listen: '127.0.0.1:8460', behindProxy: false } })
    const missing = SETTINGS.filter((name) => at(config, name) === undefined)
    expect(missing).toEqual(['http.tlsCert', 'http.tlsKey'])
    expect(toLimits(config)).toEqual(DEFAULT_RELAY_LIMITS)
  })

  test('the file is above defaults, the environment above the file, flags above all', async () => {
    const sources: ConfigSources = {
      file: await file('limits: { quota: 1GiB, sessions: 10, mailboxes: 7 }\n'),
      env: { PEERFOLD_RELAY_LIMITS_QUOTA: '2GiB', PEERFOLD_RELAY_LIMITS_SESSIONS: '20' },
      flags: { 'limits.quota': '3GiB' },
    }
    const { limits } = await loadConfig(sources)
    expect(limits).toMatchObject({ quota: 3 * 2 ** 30, sessions: 20, mailboxes: 7 })
  })

  test('the environment may name the file', async () => {
    const path = await file('open: true\n')
    expect(await loadConfig({ env: { PEERFOLD_RELAY_CONFIG: path } })).toMatchObject({ open: true })
  })

  test('a file may be JSON', async () => {
    const path = await file('{"listen": ["/ip4/127.0.0.1/tcp/1"], "log": {"level": "warn"}}', 'relay.json')
    const { listen, log } = await loadConfig({ file: path })
    expect({ listen, log }).toEqual({ listen: ['/ip4/127.0.0.1/tcp/1'], log: { level: 'warn' } })
  })

  test('an empty file sets nothing', async () => {
    expect(await loadConfig({ file: await file('# nothing yet\n') })).toEqual(await loadConfig({}))
  })

  test('paths in a file are relative to it', async () => {
    const path = await file('data: here\nhttp: { tlsCert: a.pem, tlsKey: b.pem }\n')
    const { data, http } = await loadConfig({ file: path })
    expect([data, http.tlsCert, http.tlsKey]).toEqual(
      ['here', 'a.pem', 'b.pem'].map((name) => join(directory, name)),
    )
  })

  test('every setting has a name of its own in the environment', () => {
    expect(environmentName('http.tlsCert')).toBe('PEERFOLD_RELAY_HTTP_TLS_CERT')
    expect(new Set(SETTINGS.map(environmentName)).size).toBe(SETTINGS.length)
  })

  test('what is printed is what a file may hold', async () => {
    const config = await loadConfig({ env: { PEERFOLD_RELAY_LIMITS_QUOTA: '2GiB' } })
    expect(await loadConfig({ file: await file(JSON.stringify(config)) })).toEqual(config)
  })

  test('rates keep their bursts in proportion', async () => {
    const limits = toLimits(await loadConfig({ flags: { 'rates.requestsPerPeer': 10 } }))
    expect(limits.peerRequests).toEqual({ rate: 10, burst: 20 })
  })
})

describe('what is refused, naming setting, source and what it takes', () => {
  test('unknown keys, with the nearest', async () => {
    const path = await file('limits: { quotta: 1GiB }\n')
    expect(await refusal({ file: path })).toMatch(
      /relay\.yaml: .*limits\.quotta — Did you mean limits\.quota\?/,
    )
    expect(await refusal({ file: await file('lisen: []\n') })).toMatch(/Did you mean listen\?/)
    expect(await refusal({ env: { PEERFOLD_RELAY_HTP_LISTEN: 'off' } })).toMatch(
      /environment: .*Did you mean PEERFOLD_RELAY_HTTP_LISTEN\?/,
    )
  })

  test.each([
    ['limits.sessions', '-1', 'limits.sessions is -1 — It takes a whole number'],
    ['limits.sessions', '1.5', 'a whole number'],
    ['limits.sessions', '0', 'at least 1'],
    ['limits.quota', 'lots', 'a number of bytes, such as 64MiB'],
    ['limits.lease', 'soon', 'a duration, such as 15s'],
    ['listen', '127.0.0.1:4460', 'multiaddrs, such as'],
    ['http.listen', '8460', 'HOST:PORT'],
    ['http.listen', '127.0.0.1:70000', 'HOST:PORT'],
    ['http.announce', 'relay.example.org', 'base URLs'],
    ['open', 'yes', 'true or false'],
    ['log.level', 'loud', '"debug"'],
    ['data', '', 'text, not empty'],
  ])('%s=%s', async (name, value, said) => {
    const text = await refusal({ env: { [environmentName(name)]: value } })
    expect(text).toContain(environmentName(name))
    expect(text).toContain(said)
  })

  test('files that are missing, broken, or something else', async () => {
    expect(await refusal({ file: join(directory, 'none.yaml') })).toMatch(/cannot read the configuration/)
    expect(await refusal({ file: await file('open: [true\n') })).toMatch(/relay\.yaml:\d+:\d+: /)
    expect(await refusal({ file: await file('- a\n- b\n') })).toMatch(/is not a list of settings/)
    expect(await refusal({ file: await file('limits: 5\n') })).toMatch(/limits takes settings of its own/)
    expect(await refusal({ file: await file('open: true\nopen: false\n') })).toMatch(/unique/i)
  })

  test('values of the wrong kind in a file', async () => {
    expect(await refusal({ file: await file('listen: { a: 1 }\n') })).toMatch(
      /listen is .* — It takes a list/,
    )
    expect(await refusal({ file: await file('data: 5\n') })).toMatch(/data is 5 — It takes text/)
  })

  test('aliases that would grow without end', async () => {
    await expect(loadConfig({ file: await file('listen: &a [x]\nannounce: [*a, *a]\n') })).rejects.toThrow()
  })

  test('a disk that is full for commits before it is for blocks', async () => {
    const flags = { 'disk.refuseBlocksAt': 90, 'disk.refuseCommitsAt': 80 }
    expect(await refusal({ flags })).toMatch(/refuseBlocksAt is above/)
  })

  test('half of a TLS pair', async () => {
    expect(await refusal({ flags: { 'http.tlsCert': 'a.pem' } })).toMatch(/set together/)
  })

  test('to be reached by others without TLS', async () => {
    expect(await refusal({ flags: { 'http.listen': '0.0.0.0:8460' } })).toMatch(
      /without TLS — Set http.tlsCert/,
    )
    expect(await refusal({ flags: { 'http.listen': '[::]:8460' } })).toMatch(/without TLS/)
    expect(await refusal({ flags: { 'http.listen': '127.evil.example:80' } })).toMatch(/without TLS/)
    for (const loopback of ['127.0.0.1:0', '[::1]:0', 'localhost:0', '127.1.2.3:0', 'off'])
      await loadConfig({ flags: { 'http.listen': loopback } })
    const proxied = { 'http.listen': '0.0.0.0:8460', 'http.behindProxy': true }
    expect(await refusal({ flags: proxied })).toMatch(/http\.announce is missing/)
    await loadConfig({ flags: { ...proxied, 'http.announce': 'https://relay.example.org/' } })
  })
})

test('sizes, durations, addresses as people write them', () => {
  expect(['0', '64KiB', '1.5MiB', '2G', '10 gib', 'x', ''].map(parseSize)).toEqual([
    0,
    65_536,
    1_572_864,
    2e9,
    10 * 2 ** 30,
    undefined,
    undefined,
  ])
  expect(['250', '250ms', '1.5s', '2m', '72h', '1w'].map(parseDuration)).toEqual([
    250,
    250,
    1500,
    120_000,
    259_200_000,
    undefined,
  ])
  expect(parseHostPort('[::1]:80')).toEqual({ host: '::1', port: 80 })
  expect(parseHostPort('a/b:80')).toBeUndefined()
})

function at(value: unknown, path: string): unknown {
  return path.split('.').reduce((inner, key) => (inner as Record<string, unknown>)[key], value)
}
