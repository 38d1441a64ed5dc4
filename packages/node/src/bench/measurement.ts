import { availableParallelism, loadavg } from 'node:os'

/** One figure, with what is needed to judge it. */
export interface Measurement {
  name: string
  /** What was done. */
  workload: string
  value: number
  unit: 'MB/s' | 'files/s' | 'MiB' | 's'
  cores: number
  /** Load of the machine in the minute before the end. */
  load: number
}

export function measurement(
  name: string,
  workload: string,
  value: number,
  unit: Measurement['unit'],
): Measurement {
  return {
    name,
    workload,
    value: value < 10 ? Math.round(10 * value) / 10 : Math.round(value),
    unit,
    cores: availableParallelism(),
    load: loadavg()[0] ?? 0,
  }
}

/** @returns seconds */
export async function timed(task: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await task()
  return (performance.now() - start) / 1000
}
