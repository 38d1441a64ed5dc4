/** Hashes and ids inside records: standard base64 without padding, whose unused bits are zero. Written for many small values at once. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const VALUES = new Uint8Array(128)
for (let i = 0; i < 64; i++) VALUES[ALPHABET.charCodeAt(i)] = i
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export function encodeBytes(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at
    const group = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    text += ALPHABET[group >> 18]! + ALPHABET[(group >> 12) & 63]!
    if (left > 1) text += ALPHABET[(group >> 6) & 63]!
    if (left > 2) text += ALPHABET[group & 63]!
  }
  return text
}

/** For text that `is16` or `is32` has accepted. */
export function decodeBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let group = 0
  let bits = 0
  let at = 0
  for (let i = 0; i < text.length; i++) {
    group = ((group << 6) | VALUES[text.charCodeAt(i)]!) & 0xffff
    bits += 6
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = (group >> bits) & 0xff
  }
  return bytes
}

/** Hexadecimal of 16 bytes → 22 characters. */
export function encode16(hex: string): string {
  return encodeBytes(bytes16(hex))
}

export function decode16(text: string): string {
  return hex16(decodeBytes(text))
}

/** Ids are hexadecimal already: nothing is checked. */
export function bytes16(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = (digit(hex.charCodeAt(2 * i)) << 4) | digit(hex.charCodeAt(2 * i + 1))
  }
  return bytes
}

function digit(unit: number): number {
  return unit < 58 ? unit - 48 : unit - 87
}

export function hex16(bytes: Uint8Array): string {
  let hex = ''
  for (let i = 0; i < bytes.length; i++) hex += HEX[bytes[i]!]!
  return hex
}

/** Canonical base64 of 16 bytes. */
export function is16(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9+/]{21}[AQgw]$/.test(value)
}

/** Canonical base64 of 32 bytes. */
export function is32(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$/.test(value)
}
