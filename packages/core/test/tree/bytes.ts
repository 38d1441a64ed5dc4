/** Yjs updates written by hand, byte by byte, so that hostile ones can be said at all. */

export type Part = number | string | readonly Part[]

/** LEB128, as lib0 writes lengths, clients and clocks. */
export function uint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return [...bytes, rest]
}

export function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)]
  return [...uint(bytes.length), ...bytes]
}

/** A number is one byte; text is preceded by its length. */
export function bytes(...parts: readonly Part[]): Uint8Array {
  const flat = (part: Part): number[] =>
    typeof part === 'number' ? [part] : typeof part === 'string' ? text(part) : part.flatMap(flat)
  return Uint8Array.from(parts.flatMap(flat))
}

/** One string of a `ContentAny`. */
export function any(value: string): Part {
  return [119, text(value)]
}

/** The first records of a writer in a shard. */
export function first(writer: number, records: readonly string[], deletions: Part = [0]): Uint8Array {
  const head = [1, 1, uint(writer), 0, 0x08, 1, text(String(writer))]
  return bytes(head, uint(records.length), records.map(any), deletions)
}

/** Records that follow `clock - 1`. */
export function appended(
  writer: number,
  clock: number,
  records: readonly string[],
  deletions: Part = [0],
): Uint8Array {
  const head = [1, 1, uint(writer), uint(clock), 0x88, uint(writer), uint(clock - 1)]
  return bytes(head, uint(records.length), records.map(any), deletions)
}

/** A delete set of one writer. */
export function deleted(
  writer: number,
  ...runs: ReadonlyArray<readonly [clock: number, length: number]>
): Part {
  return [1, uint(writer), uint(runs.length), runs.map(([clock, length]) => [uint(clock), uint(length)])]
}
