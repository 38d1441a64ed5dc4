import { expect, test } from 'vitest'
import { deviceName } from '../src/device/device-name.js'
import { phraseWords } from '../src/welcome/phrase-words.js'

test('a phrase is taken as people write it', () => {
  expect(phraseWords(' 1. Abandon  2. ability,\n3) able\n')).toEqual(['abandon', 'ability', 'able'])
  expect(phraseWords('1abandon 24zoo')).toEqual(['abandon', 'zoo'])
  expect(phraseWords('')).toEqual([])
})

test.each([
  [
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36',
    'Chrome on Linux',
  ],
  [
    'Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0',
    'Edge on Windows',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 (KHTML, like Gecko) Version/18.0 Mobile Safari/604.1',
    'Safari on iPhone',
  ],
  ['Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0', 'Firefox on Android'],
  ['something else', 'Browser'],
])('%s is called %s', (userAgent, name) => {
  expect(deviceName(userAgent)).toBe(name)
})
