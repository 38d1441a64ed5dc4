import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { deriveKey } from '../encoding/derive.js'
import { PeerfoldError } from '../errors.js'
import type { Random } from '../ports/random.js'
import { boxPublicKey } from './box.js'

/** Recovery phrases (PROTOCOL.md §3.1): 24 words of the BIP-39 English list, 256 bits and a checksum of 8. */

const WORDS = 24
/** The longest phrase has 24 × 8 letters; what is far longer is not read. */
const MAX_CHARS = 1000
const INDEX = new Set(wordlist)

/** What a phrase stands for. Kept offline by the user, never stored. */
export interface RootSecrets {
  /** Ed25519 seed that signs for the user where no device can. */
  rootSeed: Uint8Array
  /** X25519 secret: opens what was boxed for recovery. */
  recoverySecret: Uint8Array
}

/** A new phrase, in lower case, words separated by one space. */
export function createPhrase(random: Random): string {
  return entropyToMnemonic(random.bytes(32), wordlist)
}

/**
 * The phrase in its normal form, however it was typed: case, line breaks and Unicode form don't matter.
 *
 * @throws {PeerfoldError} `PHRASE_INVALID`: `details.words` when their number is wrong, `details.index` (from 0) when a word is not in
 * the list, neither when all are but the checksum fails (a word was exchanged for another, or their order changed)
 */
export function parsePhrase(text: string): string {
  const words = text.slice(0, MAX_CHARS).normalize('NFKD').toLowerCase().split(/\s+/u).filter(Boolean)
  const unknown = words.findIndex((word) => !INDEX.has(word))
  if (unknown >= 0) throw unknownWord(words[unknown] as string, unknown)
  if (words.length !== WORDS || text.length > MAX_CHARS) {
    throw new PeerfoldError('PHRASE_INVALID', `the phrase has ${words.length} words instead of ${WORDS}`, {
      details: { words: words.length },
    })
  }
  const phrase = words.join(' ')
  entropyOf(phrase)
  return phrase
}

/** @throws {PeerfoldError} `PHRASE_INVALID` */
export function rootSecrets(phrase: string): RootSecrets {
  const entropy = entropyOf(phrase)
  return {
    rootSeed: deriveKey(entropy, 'root-signing'),
    recoverySecret: deriveKey(entropy, 'root-recovery'),
  }
}

/** X25519 public key to which secrets are boxed for recovery. */
export function recoveryKey(root: RootSecrets): Uint8Array {
  return boxPublicKey(root.recoverySecret)
}

function entropyOf(phrase: string): Uint8Array {
  try {
    return mnemonicToEntropy(phrase, wordlist)
  } catch (cause) {
    throw new PeerfoldError('PHRASE_INVALID', 'every word is known, but their checksum is wrong', {
      cause,
      hint: 'A word was mistaken for another, or two changed places: compare with what was written down.',
    })
  }
}

/** Words of the list differ in their first four letters, so a slip after those has one likely repair. */
function unknownWord(word: string, index: number): PeerfoldError {
  const shown = word.length > 20 ? `${word.slice(0, 20)}…` : word
  const near = word.length >= 4 ? wordlist.find((known) => known.startsWith(word.slice(0, 4))) : undefined
  const question = near === undefined ? '' : `; is it "${near}"?`
  return new PeerfoldError('PHRASE_INVALID', `word ${index + 1} ("${shown}") is not in the list${question}`, {
    details: { index },
  })
}
