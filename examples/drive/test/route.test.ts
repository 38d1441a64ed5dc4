import { describe, expect, test } from 'vitest'
import {
  formatDeleted,
  formatRoute,
  joinLink,
  parseDeleted,
  parseJoin,
  parseRoute,
} from '../src/app/route.js'
import { ticketIn } from '../src/welcome/ticket-text.js'

describe('the fragment of the address', () => {
  test.each(['', 'Photos', 'a b/ü#?%/%2F', '100%'])('carries the folder %j', (path) => {
    expect(parseRoute(formatRoute({ workspace: 'w1', path }))).toEqual({ workspace: 'w1', path })
  })

  test('carries whose deleted files are shown, which is no folder', () => {
    expect(parseDeleted(formatDeleted('w/1'))).toBe('w/1')
    expect(parseRoute(formatDeleted('w1'))).toBeUndefined()
    for (const hash of ['', '#deleted/', '#/deleted/w1']) expect(parseDeleted(hash)).toBeUndefined()
  })

  test('is no folder when it is anything else', () => {
    for (const hash of ['', '#', '#/', '#join=peerfold:x', '#other']) expect(parseRoute(hash)).toBeUndefined()
  })

  test('is read as it is when it is mistyped', () => {
    expect(parseRoute('#/w1/100%')).toEqual({ workspace: 'w1', path: '100%' })
  })

  test('carries a ticket from one device to the other', () => {
    const link = joinLink('https://drive.example/app/#/w1/Photos', 'peerfold:abc')
    expect(link).toBe('https://drive.example/app/#join=peerfold%3Aabc')
    expect(parseJoin(new URL(link).hash)).toBe('peerfold:abc')
    expect(parseJoin('#join=')).toBeUndefined()
  })
})

test('a ticket is found in itself and in the link that carries it', () => {
  expect(ticketIn('  peerfold:abc\n')).toBe('peerfold:abc')
  expect(ticketIn('https://drive.example/#join=peerfold%3Aabc')).toBe('peerfold:abc')
  expect(ticketIn('https://drive.example/#join=')).toBe('')
})
