import { expect, test } from 'vitest'
import { benchFolder } from '../../dist/bench/folder.js'

test('the folder benchmark syncs two processes, compares the folders and tells rates and peak memory', async () => {
  const results = await benchFolder({ files: 30, size: 100, large: 3 * 2 ** 20 })
  const named = new Map(results.map((result) => [result.name, result]))
  for (const name of ['small files', 'large file']) expect(named.get(name)?.value, name).toBeGreaterThan(0)
  expect(named.get('large file')?.workload).toBe('3 MiB in one file, device to device')
  if (process.platform === 'linux') {
    const peaks = results.filter(({ unit }) => unit === 'MiB')
    expect(peaks).toHaveLength(4)
    for (const { value, name } of peaks) expect(value, name).toBeGreaterThan(50)
  }
  for (const { cores } of results) expect(cores).toBeGreaterThan(0)
}, 120_000)
