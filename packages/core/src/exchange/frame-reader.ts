import { Uint8ArrayList } from 'uint8arraylist'
import { PeerfoldError } from '../errors.js'

/**
 * Cuts a stream into frames: a big-endian u32 length, then that many bytes. Holds at most one incomplete frame, and refuses a length above the
 * limit before a byte of it has come.
 */
export class FrameReader {
  readonly #limit: number
  readonly #memory: (size: number) => Uint8Array
  readonly #bytes = new Uint8ArrayList()

  /** @param memory where a frame is put. @default new memory */
  constructor(limit: number, memory: (size: number) => Uint8Array = (size) => new Uint8Array(size)) {
    this.#limit = limit
    this.#memory = memory
  }

  /** Bytes that wait for the rest of their frame. */
  get pending(): number {
    return this.#bytes.byteLength
  }

  push(data: Uint8Array | Uint8ArrayList): void {
    this.#bytes.append(data)
  }

  /**
   * The next whole frame without its length, or undefined when more must come.
   * @throws {PeerfoldError} `MESSAGE_INVALID` for a frame that is empty or too long
   */
  next(): Uint8Array | undefined {
    if (this.#bytes.byteLength < 4) return undefined
    const size = this.#bytes.getUint32(0)
    if (size === 0 || size > this.#limit) {
      throw new PeerfoldError('MESSAGE_INVALID', `a frame of ${size} bytes, where ${this.#limit} are allowed`)
    }
    if (this.#bytes.byteLength < 4 + size) return undefined
    this.#bytes.consume(4)
    const payload = this.#memory(size)
    let filled = 0
    for (const part of this.#bytes) {
      if (filled === size) break
      payload.set(part.subarray(0, size - filled), filled)
      filled = Math.min(size, filled + part.length)
    }
    this.#bytes.consume(size)
    return payload
  }
}
