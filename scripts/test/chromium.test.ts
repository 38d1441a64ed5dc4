import { access, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findChromium, needChromium } from '../chromium.mjs'

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

describe('needChromium', () => {
  let directory: string
  let browser: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'peerfold-chromium-'))
    browser = join(directory, 'chromium')
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  /** An `apt-get` that notes what it is asked, and installs what it is asked to. */
  async function withAptGet(install: string) {
    const script = `#!/bin/sh
echo "$DEBIAN_FRONTEND $*" >> ${directory}/asked
[ "$1" = install ] || exit 0
${install}
`
    await writeFile(join(directory, 'apt-get'), script)
    await chmod(join(directory, 'apt-get'), 0o755)
    const env = { PATH: `${directory}:${process.env.PATH}` }
    return { env, places: [browser], fallback: none, platform: 'linux', user: 0 }
  }

  const installing = () => withAptGet(`cp /bin/sh ${browser}`)
  const asked = () => readFile(join(directory, 'asked'), 'utf8')

  test('as root on Debian it installs the package, without questions', async () => {
    expect(await needChromium(await installing())).toBe(browser)
    expect(await asked()).toBe(
      'noninteractive --version\nnoninteractive update -qq\nnoninteractive install -y -qq chromium\n',
    )
  })

  test('installs nothing when there is one', async () => {
    const init = await installing()
    expect(await needChromium({ ...init, places: [program] })).toBe(program)
    await expect(access(join(directory, 'asked'))).rejects.toThrow('ENOENT')
  })

  test('as another user, elsewhere, or when it fails, it says what to do', async () => {
    const init = await installing()
    await expect(needChromium({ ...init, user: 1000 })).rejects.toThrow('PEERFOLD_CHROMIUM')
    await expect(needChromium({ ...init, platform: 'darwin' })).rejects.toThrow('PEERFOLD_CHROMIUM')
    await expect(access(join(directory, 'asked'))).rejects.toThrow('ENOENT')
    await expect(needChromium(await withAptGet('exit 100'))).rejects.toThrow('PEERFOLD_CHROMIUM')
    await expect(needChromium({ ...init, env: { PATH: '/nowhere' } })).rejects.toThrow('PEERFOLD_CHROMIUM')
  })
})
