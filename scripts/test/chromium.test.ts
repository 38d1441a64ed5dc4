import { describe, expect, test } from 'vitest'
import { findChromium } from '../chromium.mjs'

const program = process.execPath
const none = async () => ''

describe('findChromium', () => {
  test('takes the one that is named', async () =>
    expect(await findChromium({ env: { PEERFOLD_CHROMIUM: program }, places: [], fallback: none })).toBe(
      program,
    ))

  test('refuses a name that is not a program rather than take another', async () =>
    expect(
      findChromium({ env: { PEERFOLD_CHROMIUM: '/no/such' }, places: [program], fallback: none }),
    ).rejects.toThrow('/no/such'))

  test('looks in the usual places, then asks Playwright', async () => {
    expect(await findChromium({ env: {}, places: ['/no/such', program], fallback: none })).toBe(program)
    expect(await findChromium({ env: {}, places: [], fallback: async () => program })).toBe(program)
  })

  test('finds none where none is', async () => {
    expect(await findChromium({ env: {}, places: ['/no/such'], fallback: none })).toBeUndefined()
    expect(await findChromium({ env: {}, places: [], fallback: async () => '/no/such' })).toBeUndefined()
  })
})
