import { MultiBar, Presets, type SingleBar } from 'cli-progress'

export interface ProgressBars {
  update(progress: { label: string; bytes: number; total?: number }): void
  stop(): void
}

/** Bars on a terminal, nothing elsewhere: programs read stdout, people watch stderr. */
export function createProgressBars(json: boolean): ProgressBars {
  if (json || process.stderr.isTTY !== true) return { update: () => {}, stop: () => {} }
  const bars = new Map<string, SingleBar>()
  const multi = new MultiBar(
    {
      format: '{label} [{bar}] {percentage}% {size}',
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
    },
    Presets.shades_classic,
  )
  return {
    update: ({ label, bytes, total }) => {
      let bar = bars.get(label)
      if (bar === undefined) {
        bar = multi.create(Math.max(total ?? bytes, 1), 0)
        bars.set(label, bar)
      }
      if (total === undefined) bar.setTotal(Math.max(bytes, 1))
      bar.update(bytes, { label, size: formatBytes(bytes) })
    },
    stop: () => multi.stop(),
  }
}

/** `1.5 MiB`; binary units. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}
