import { InvalidArgumentError } from 'commander'

const UNITS: Record<string, number> = { '': 1, k: 1e3, m: 1e6, g: 1e9, ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30 }
/** What core takes. */
const LEAST = 16 * 1024

/** `500K`, `2M`, `1.5MiB`: bytes per second; `0` and `none` are no limit, told as 0. `K` is 1000, `Ki` is 1024. */
export function parseRate(text: string): number {
  if (text.toLowerCase() === 'none') return 0
  const [, number, unit] = /^(\d+(?:\.\d+)?)([kmg]?i?)b?(?:\/s)?$/i.exec(text.trim()) ?? []
  const factor = UNITS[(unit ?? 'none').toLowerCase()]
  if (number === undefined || factor === undefined)
    throw new InvalidArgumentError('bytes per second, such as 500K, 2M or 1.5MiB; 0 or none for no limit')
  const rate = Math.round(Number(number) * factor)
  if (rate !== 0 && rate < LEAST) throw new InvalidArgumentError('the least limit is 16KiB per second')
  return rate
}
