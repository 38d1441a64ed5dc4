import { PeerfoldError } from '../errors.js'

/** Reads a body that comes in pieces, without copying what only passes through. */
export class BodyReader {
  readonly #pieces: AsyncIterator<Uint8Array>
  #piece: Uint8Array = new Uint8Array()

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#pieces = body[Symbol.asyncIterator]()
  }

  /** @throws {PeerfoldError} `NOT_CONNECTED` when the body ends before */
  async uint32(): Promise<number> {
    const bytes = new Uint8Array(4)
    let filled = 0
    for await (const part of this.pass(4)) {
      bytes.set(part, filled)
      filled += part.length
    }
    return new DataView(bytes.buffer).getUint32(0)
  }

  /** The next `size` bytes, as they come. @throws {PeerfoldError} `NOT_CONNECTED` when the body ends before */
  async *pass(size: number): AsyncGenerator<Uint8Array> {
    for (let left = size; left > 0; ) {
      if (!(await this.#more())) throw new PeerfoldError('NOT_CONNECTED', 'the answer broke off')
      const part = this.#piece.subarray(0, left)
      this.#piece = this.#piece.subarray(part.length)
      left -= part.length
      yield part
    }
  }

  /** Whether nothing comes any more. */
  async ended(): Promise<boolean> {
    return !(await this.#more())
  }

  /** Lets what still comes be dropped. */
  async cancel(): Promise<void> {
    await this.#pieces.return?.()
  }

  async #more(): Promise<boolean> {
    while (this.#piece.length === 0) {
      const { value, done } = await this.#pieces.next()
      if (done === true) return false
      this.#piece = value
    }
    return true
  }
}
