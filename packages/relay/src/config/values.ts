import { multiaddr } from '@multiformats/multiaddr'
import * as v from 'valibot'

/** Kinds of settings. Each takes what a file gives (numbers, lists) and what the environment and flags give (text). */

const UNITS: Record<string, number> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 }
const BINARY: Record<string, number> = { ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30, ti: 2 ** 40 }

/** `10GiB`, `500M`, `65536`: bytes. `K` is 1000, `Ki` is 1024. */
export function parseSize(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?$/i.exec(text.trim()) ?? []
  const factor = { ...UNITS, ...BINARY }[unit.toLowerCase()]
  return number === undefined || factor === undefined ? undefined : Math.round(Number(number) * factor)
}

/** `15s`, `500ms`, `2m`: milliseconds; a bare number is milliseconds too. */
export function parseDuration(text: string): number | undefined {
  const [, number, unit = 'ms'] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/i.exec(text.trim()) ?? []
  const factor = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 }[unit.toLowerCase()]
  return number === undefined || factor === undefined ? undefined : Math.round(Number(number) * factor)
}

function numeric(parse: (text: string) => number | undefined, least: number, most: number, what: string) {
  return v.pipe(
    v.union([v.number(), v.string()], what),
    v.transform((value) => (typeof value === 'number' ? value : (parse(value) ?? Number.NaN))),
    v.check((value) => Number.isSafeInteger(value), what),
    v.minValue(least, `${what}, at least ${least}`),
    v.maxValue(most, `${what}, at most ${most}`),
  )
}

const MOST = Number.MAX_SAFE_INTEGER

export const count = (least: number, most = MOST) => numeric(parseCount, least, most, 'a whole number')
export const size = (least: number, most = MOST) =>
  numeric(parseSize, least, most, 'a number of bytes, such as 64MiB')
export const duration = (least: number, most = MOST) =>
  numeric(parseDuration, least, most, 'a duration, such as 15s')

function parseCount(text: string): number | undefined {
  return /^\d+$/.test(text.trim()) ? Number(text) : undefined
}

export function flag() {
  return v.pipe(
    v.union([v.boolean(), v.picklist(['true', 'false'])], 'true or false'),
    v.transform((value) => value === true || value === 'true'),
  )
}

export function text() {
  return v.pipe(v.string('text'), v.minLength(1, 'text, not empty'))
}

export function list<T extends v.GenericSchema<string, string>>(item: T) {
  return v.pipe(
    v.union([v.array(v.string()), v.string()], 'a list'),
    v.transform((value) => (typeof value === 'string' ? splitList(value) : value)),
    v.array(item),
  )
}

function splitList(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

export const address = v.pipe(v.string(), v.check(isMultiaddr, 'multiaddrs, such as /ip4/0.0.0.0/tcp/4460'))

function isMultiaddr(value: string): boolean {
  try {
    return multiaddr(value).getComponents().length > 0
  } catch {
    return false
  }
}

/** `127.0.0.1:8460`, `[::1]:8460`, `example.org:443`. */
export function parseHostPort(value: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.%]+)\]|([^\s:/[\]]+)):(\d{1,5})$/i.exec(value) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  return host === undefined || !(port <= 65_535) ? undefined : { host, port }
}

const NOT_HOST_PORT = 'HOST:PORT, such as 127.0.0.1:8460, or off'

/** `off` where there is to be none. */
export const hostPort = v.pipe(
  v.union([v.string(), v.literal(false)], NOT_HOST_PORT),
  v.transform((value) => (value === false ? 'off' : value)),
  v.check((value) => value === 'off' || parseHostPort(value) !== undefined, NOT_HOST_PORT),
)

export const url = v.pipe(
  v.string(),
  v.check((value) => {
    const parsed = URL.canParse(value) ? new URL(value) : undefined
    return parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.search + parsed.hash === ''
  }, 'base URLs, such as https://relay.example.org'),
  v.transform((value) => value.replace(/\/+$/, '')),
)
