import { describe, expect, test } from 'vitest'
import { createPhrase, parsePhrase, rootSecrets } from '../../src/access/phrase.js'
import { createSeededRandom } from '../../src/testing/seeded-random.js'

/** BIP-39's own test vector for 32 bytes of 0x7f. */
const PHRASE =
  'legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth title'
const failing = (text: string) => {
  try {
    parsePhrase(text)
  } catch (error) {
    return error as { code: string; details: Record<string, unknown>; message: string }
  }
  return expect.unreachable('was accepted')
}

describe('a recovery phrase', () => {
  test('has 24 words and is read back', () => {
    const phrase = createPhrase(createSeededRandom(1))
    expect(phrase.split(' ')).toHaveLength(24)
    expect(parsePhrase(phrase)).toBe(phrase)
    expect(createPhrase({ bytes: (length) => new Uint8Array(length).fill(0x7f) })).toBe(PHRASE)
  })

  test('may be typed in any case, over several lines, in any Unicode form', () => {
    expect(parsePhrase(`\n ${PHRASE.toUpperCase().replaceAll(' ', ' \t\n')} `)).toBe(PHRASE)
    const fullwidth = [...'legal']
      .map((letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0))
      .join('')
    expect(parsePhrase(PHRASE.replace('legal', fullwidth).replaceAll(' ', '\u00a0'))).toBe(PHRASE)
  })

  test('says which word is unknown, and which was likely meant', () => {
    const error = failing(PHRASE.replace('sausage', 'sausages'))
    expect(error).toMatchObject({ code: 'PHRASE_INVALID', details: { index: 5 } })
    expect(error.message).toContain('word 6 ("sausages")')
    expect(error.message).toContain('"sausage"')
  })

  test('says how many words there are when some are missing or too many', () => {
    expect(failing(PHRASE.split(' ').slice(1).join(' '))).toMatchObject({
      code: 'PHRASE_INVALID',
      details: { words: 23 },
    })
    expect(failing(`${PHRASE} legal`)).toMatchObject({ code: 'PHRASE_INVALID', details: { words: 25 } })
    expect(failing('')).toMatchObject({ code: 'PHRASE_INVALID', details: { words: 0 } })
    expect(failing('legal '.repeat(100_000)).code).toBe('PHRASE_INVALID')
  })

  test('says that the checksum is wrong when two words changed places', () => {
    const swapped = PHRASE.replace('legal winner', 'winner legal')
    expect(failing(swapped)).toMatchObject({ code: 'PHRASE_INVALID', details: {} })
    expect(failing(swapped).message).toContain('checksum')
  })

  test('gives two keys that have nothing to do with each other', () => {
    const { rootSeed, recoverySecret } = rootSecrets(PHRASE)
    expect(rootSeed).toHaveLength(32)
    expect(recoverySecret).toHaveLength(32)
    expect(rootSeed).not.toEqual(recoverySecret)
    expect(rootSecrets(parsePhrase(PHRASE.toUpperCase()))).toEqual({ rootSeed, recoverySecret })
  })
})
