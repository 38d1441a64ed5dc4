import { concatBytes, toUtf8 } from '../encoding/bytes.js'

/** What is really signed: the purpose first, so that no signature serves two (PROTOCOL.md §1). */
export function signedMessage(purpose: string, bytes: Uint8Array): Uint8Array {
  return concatBytes(toUtf8(`peerfold/1/${purpose}\0`), bytes)
}
