import { fromHex } from '../encoding/bytes.js'

/** Hashes and ids inside records: standard base64 without padding, whose unused bits are zero. */

export function encodeBytes(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/=+$/, '')
}

export function decodeBytes(text: string): Uint8Array {
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Hexadecimal of 16 bytes → 22 characters. */
export function encode16(hex: string): string {
  return encodeBytes(fromHex(hex))
}

export function decode16(text: string): string {
  const binary = atob(text)
  let hex = ''
  for (let i = 0; i < binary.length; i++) hex += HEX[binary.charCodeAt(i)]
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
