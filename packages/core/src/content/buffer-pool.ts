/** Buffers come in multiples of this, so that one is of use again for what is a little larger. */
const STEP = 64 * 1024
/** Smaller ones cost little. */
const LEAST = 16 * 1024
const MAX_SPARE_BYTES = 4 * 1024 * 1024

/**
 * Buffers that were used and can be used again. For bytes that pass through, making a new buffer costs more than filling it: the system's fresh
 * pages, and the garbage collector, which large buffers set off.
 */
export class BufferPool {
  #spare: ArrayBuffer[] = []
  #bytes = 0

  /** Memory with anything in it. */
  take(size: number): Uint8Array {
    if (size < LEAST) return new Uint8Array(size)
    const fitting = this.#spare.filter(({ byteLength }) => byteLength >= size && byteLength < 2 * size + STEP)
    const best = fitting.sort((a, b) => a.byteLength - b.byteLength)[0]
    if (best === undefined) return new Uint8Array(Math.ceil(size / STEP) * STEP).subarray(0, size)
    this.#spare = this.#spare.filter((buffer) => buffer !== best)
    this.#bytes -= best.byteLength
    return new Uint8Array(best, 0, size)
  }

  /** Nobody needs what lies in the buffer of these bytes any more, or keeps another view of it. */
  give({ buffer }: Uint8Array): void {
    if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < LEAST || this.#spare.includes(buffer)) return
    if (this.#bytes + buffer.byteLength > MAX_SPARE_BYTES) return
    this.#spare.push(buffer)
    this.#bytes += buffer.byteLength
  }
}

/** One for all contents that pass through this device. */
export const buffers = new BufferPool()
