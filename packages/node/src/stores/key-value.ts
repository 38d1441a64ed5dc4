import { mkdir, rename } from 'node:fs/promises'
import { type KeyValue, PeerfoldError } from '@peerfold/core'
import crc32c from 'crc-32/crc32c.js'
import { Level } from 'level'

export interface KeyValueInit {
  /** Told that a damaged database was moved aside, to `details.movedTo`: what opens is empty and has to be rebuilt. */
  onDamage?: (error: PeerfoldError) => void
}

/**
 * Opens a LevelDB database as a `KeyValue`, creating it when it is not there. It is an index, never the truth: one that does not open because it
 * is damaged is moved aside, and an empty one opens in its place. LevelDB gives back flipped bits without a word, so each value carries a
 * checksum, and reading a damaged one fails.
 *
 * @throws {PeerfoldError} `HOME_LOCKED` while another process has it open; `IO_FAILED`, `STORE_FULL`
 *
 * @example
 * ```ts
 * const db = await openKeyValue(join(home, 'index'), { onDamage: (error) => log.warn(error) })
 * ```
 */
export async function openKeyValue(directory: string, init: KeyValueInit = {}): Promise<KeyValue> {
  try {
    return await open(directory)
  } catch (error) {
    if (!isDamage(error)) throw asPeerfoldError(directory, error)
    const movedTo = `${directory}.damaged-${Date.now()}`
    await rename(directory, movedTo)
    const details = { directory, movedTo }
    init.onDamage?.(
      new PeerfoldError('INDEX_CORRUPT', `the index ${directory} is damaged`, { cause: error, details }),
    )
    return await open(directory)
  }
}

/** A device has several indexes open, each with caches of its own above it: LevelDB's defaults would be 16 MiB for each. */
const MEMORY = { cacheSize: 2 << 20, writeBufferSize: 2 << 20 }

async function open(directory: string): Promise<KeyValue> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const db = new Level<string, Uint8Array>(directory, {
    keyEncoding: 'utf8',
    valueEncoding: checked,
    ...MEMORY,
  })
  await db.open()
  return db
}

/** Value, then its CRC-32C (4 bytes, big-endian). */
const checked = {
  name: 'peerfold-checked',
  format: 'view' as const,
  encode: (value: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(value.length + 4)
    bytes.set(value)
    new DataView(bytes.buffer).setUint32(value.length, crc32c.buf(value, 0) >>> 0)
    return bytes
  },
  decode: (bytes: Uint8Array): Uint8Array => {
    // not `bytes.slice`: of a Node Buffer that would be a Buffer on the same memory
    const value = new Uint8Array(bytes.subarray(0, Math.max(0, bytes.length - 4)))
    const sum = bytes.length < 4 ? -1 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(value.length)
    if (sum === crc32c.buf(value, 0) >>> 0) return value
    throw new PeerfoldError('INDEX_CORRUPT', 'a value of the index is damaged')
  },
}

/** Code and text of the error that made LevelDB give up. */
function reasonOf(error: unknown): { code: string; text: string } {
  const { cause, code, message } = error as {
    cause?: { code?: string; message?: string }
    code?: string
    message?: string
  }
  return { code: cause?.code ?? code ?? '', text: cause?.message ?? message ?? '' }
}

function isDamage(error: unknown): boolean {
  const { code, text } = reasonOf(error)
  return code === 'LEVEL_CORRUPTION' || (code === 'LEVEL_IO_ERROR' && /No such file or directory/.test(text))
}

function asPeerfoldError(directory: string, cause: unknown): PeerfoldError {
  if (cause instanceof PeerfoldError) return cause
  const { code, text } = reasonOf(cause)
  if (code === 'LEVEL_LOCKED') return new PeerfoldError('HOME_LOCKED', `${directory} is in use`, { cause })
  const full = code === 'ENOSPC' || code === 'EDQUOT' || /No space left/.test(text)
  return new PeerfoldError(full ? 'STORE_FULL' : 'IO_FAILED', `opening ${directory}: ${text}`, { cause })
}
