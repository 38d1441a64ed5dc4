import { Uint8ArrayList } from 'uint8arraylist'
import { PeerfoldError } from '../errors.js'

/**
 * Cuts a stream into frames: a big-endian u32 length, then that many bytes. Holds at most one incomplete frame, and refuses a length above the
 * limit before a byte of it has come.
 */
export class FrameReader {
  readonly #limit: number
  readonly #bytes = new Uint8ArrayList()

  constructor(limit: number) {
    this.#limit = limit
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
    const payload = this.#bytes.subarray(4, 4 + size)
    this.#bytes.consume(4 + size)
    return payload
  }
}
