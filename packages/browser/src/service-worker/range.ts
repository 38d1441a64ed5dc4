/** Bytes from `start` on, `length` of them. */
export interface ByteRange {
  start: number
  length: number
}

/**
 * Which bytes of a file a `Range` header asks for.
 *
 * @returns undefined when the whole file answers it: no header, another unit, several ranges; `'unsatisfiable'` when nothing does
 */
export function parseRange(header: string | null, size: number): ByteRange | 'unsatisfiable' | undefined {
  if (header === null || !/^bytes=/.test(header) || header.includes(',')) return undefined
  const [, first, last] = /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/.exec(header) ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return 'unsatisfiable'
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, length }
  }
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  return start > end ? 'unsatisfiable' : { start, length: end - start + 1 }
}
