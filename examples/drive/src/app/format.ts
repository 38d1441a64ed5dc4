const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const

/** Of each unit: whole bytes, and few digits of more. */
const formats = UNITS.map(
  (unit) =>
    new Intl.NumberFormat(undefined, {
      style: 'unit',
      unit,
      unitDisplay: unit === 'byte' ? 'long' : 'short',
      maximumFractionDigits: unit === 'byte' ? 0 : 1,
    }),
)

export function formatBytes(bytes: number): string {
  const step = Math.min(UNITS.length - 1, bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** step
  return (formats[step] as Intl.NumberFormat).format(value >= 100 ? Math.round(value) : value)
}

const time = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' })
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const date = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

/** The time of today, the day of this year, the date of other years. */
export function formatDate(value: Date | undefined, now = new Date()): string {
  if (value === undefined) return ''
  if (value.toDateString() === now.toDateString()) return time.format(value)
  return (value.getFullYear() === now.getFullYear() ? day : date).format(value)
}

export function formatMoment(value: Date): string {
  return full.format(value)
}

const plural = new Intl.PluralRules('en')
const number = new Intl.NumberFormat()

/** `count(2, 'file')` is "2 files". */
export function count(amount: number, noun: string, many = `${noun}s`): string {
  return `${number.format(amount)} ${plural.select(amount) === 'one' ? noun : many}`
}
