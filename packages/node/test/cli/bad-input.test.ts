import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DemoDevice, isType } from '../../dist/demo/device.js'

const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peerfold-cli-'))
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

async function peerfold(
  home: string,
  args: string[],
  input = '',
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [CLI, '--home', join(directory, home), ...args])
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...output }
}

/** An error is one line with its code and what to do; nothing goes to stdout. */
function expectError(
  { code, stdout, stderr }: Awaited<ReturnType<typeof peerfold>>,
  errorCode: string,
  exitCode = 1,
): void {
  expect(stderr).toMatch(new RegExp(`^${errorCode}: .+ — .+\\n$`))
  expect(stdout).toBe('')
  expect(code).toBe(exitCode)
}

describe('bad input on the command line', () => {
  test('the beginning of a device id that is too short to mean it: nothing is removed', async () => {
    expect((await peerfold('short', ['init'])).code).toBe(0)
    const listed = async () => (await peerfold('short', ['--json', 'device', 'list'])).stdout
    const { id } = JSON.parse(await listed())
    for (const wanted of ['', id.slice(0, 1), id.slice(0, 7)])
      expect((await peerfold('short', ['device', 'remove', wanted])).code).not.toBe(0)
    expect(JSON.parse(await listed())).toMatchObject({ id, state: 'active' })
  }, 60_000)

  test('a folder that holds the home of the device, or lies in it', async () => {
    const around = join(directory, 'around')
    const home = join(around, 'home')
    expect((await peerfold('around/home', ['init'])).code).toBe(0)
    await mkdir(join(home, 'inside'))
    for (const folder of [around, home, join(home, 'inside'), '/'])
      expectError(await peerfold('around/home', ['add', folder]), 'FOLDER_NESTED')
    expect(await readdir(around)).toEqual(['home'])
  }, 60_000)

  test('unknown commands and flags', async () => {
    expectError(await peerfold('new', ['frobnicate']), 'USAGE', 2)
    expectError(await peerfold('new', ['status', '--frobnicate']), 'USAGE', 2)
    expectError(await peerfold('new', []), 'USAGE', 2)
    expectError(await peerfold('new', ['join']), 'USAGE', 2)
    expectError(await peerfold('new', ['help', 'frobnicate']), 'USAGE', 2)
    expectError(await peerfold('new', ['status', '--timeout', '1e12']), 'USAGE', 2)
    expect(JSON.parse((await peerfold('new', ['add', '--json'])).stderr)).toMatchObject({ code: 'USAGE' })
  })

  test('what is empty, as from a variable that is not set: not the current directory, nor a root', async () => {
    for (const args of [
      ['add', ''],
      ['up', ''],
      ['export', ''],
      ['join', 'x', '--folder', ''],
      ['--home', '', 'ls'],
      ['recover', '--folder', ''],
      ['get', 'x', ''],
      ['put', ''],
      ['mkdir', ''],
      ['pause', ''],
      ['ls', '--workspace', ''],
      ['start', '--listen', '/ip4/127.0.0.1/tcp/0', ''],
    ])
      expectError(await peerfold('new', args), 'USAGE', 2)
  })

  test('a device without identity', async () => {
    expectError(await peerfold('none', ['status']), 'NO_IDENTITY')
    expectError(await peerfold('none', ['invite']), 'NO_IDENTITY')
    expectError(await peerfold('none', ['start']), 'NO_IDENTITY')
  })

  test('tickets that are none', async () => {
    for (const ticket of ['hello', 'peerfold:', 'peerfold:abcdef', 'peerfold://join#abcdef'])
      expectError(await peerfold('tickets', ['join', ticket]), 'TICKET_INVALID')
  })

  test('recovery phrases that are none', async () => {
    expectError(await peerfold('phrases', ['recover'], 'one two three\n'), 'PHRASE_INVALID')
    expectError(await peerfold('phrases', ['recover'], `${'abandon '.repeat(24)}\n`), 'PHRASE_INVALID')
    expectError(await peerfold('phrases', ['recover'], ''), 'PHRASE_INVALID')
  })

  test('a home that is a file', async () => {
    await writeFile(join(directory, 'file'), '')
    expectError(await peerfold('file', ['status']), 'HOME_INVALID')
    expectError(await peerfold('file/below', ['init']), 'HOME_INVALID')
  })

  test('a home where no directory can be made ends with an error, too', async () => {
    expectError(await peerfold('x', ['--home', '/proc/home', 'init']), 'HOME_INVALID')
  })

  test('addresses that nobody can listen on', async () => {
    await peerfold('deaf', ['init'])
    for (const address of ['nonsense', '/ip4/192.0.2.77/tcp/1', '/ip4/127.0.0.1/udp/1']) {
      const refused = await peerfold('deaf', ['start', '--listen', address])
      expectError(refused, 'INVALID_ARGUMENT')
      expect(refused.stderr).not.toMatch(/ at |faultTolerance/)
    }
  })

  test('a home in use: commands go to who uses it, a second start is refused', async () => {
    const device = new DemoDevice('busy', directory)
    await device.prepare()
    await device.run('init')
    await device.start(['start'], isType('ready'))
    try {
      expect(await device.run('status')).toMatchObject([{ device: { id: expect.any(String) } }])
      expectError(await peerfold('busy/home', ['start']), 'HOME_LOCKED')
    } finally {
      await device.stop()
    }
  }, 60_000)

  test('folders that are missing, files, nested or in use', async () => {
    await mkdir(join(directory, 'folders/outer/inner'), { recursive: true })
    await writeFile(join(directory, 'folders/a file'), '')
    const add = (home: string, folder: string) => peerfold(home, ['add', join(directory, 'folders', folder)])
    await peerfold('owner', ['init'])
    expectError(await add('owner', 'missing'), 'FOLDER_NOT_FOUND')
    expectError(await add('owner', 'a file'), 'FOLDER_NOT_FOUND')
    expect((await add('owner', 'outer')).code).toBe(0)
    expectError(await add('owner', 'outer/inner'), 'FOLDER_NESTED')
    expectError(await add('owner', '.'), 'FOLDER_NESTED')
    expectError(await add('owner', 'outer'), 'FOLDER_IN_USE')
    await peerfold('other', ['init'])
    expectError(await add('other', 'outer/inner'), 'FOLDER_NESTED')
    expectError(await add('other', 'outer'), 'FOLDER_IN_USE')
  }, 60_000)

  test('a folder that refuses the marker, as a read-only one does', async () => {
    await peerfold('marked', ['init'])
    await mkdir(join(directory, 'unmarked'))
    await writeFile(join(directory, 'unmarked/.peerfold'), 'a file in the place of the marker')
    const refused = await peerfold('marked', ['add', join(directory, 'unmarked')])
    expect({ code: refused.code, lines: refused.stderr.split('\n').length }).toEqual({ code: 1, lines: 2 })
    expect(refused.stderr).not.toContain('INTERNAL')
  })

  test('an identity that is there already', async () => {
    expect((await peerfold('twice', ['init'])).code).toBe(0)
    expectError(await peerfold('twice', ['init']), 'IDENTITY_EXISTS')
  })

  test('paths and versions that are not there', async () => {
    await mkdir(join(directory, 'files'))
    await writeFile(join(directory, 'files/a.txt'), 'a')
    await peerfold('paths', ['init'])
    await peerfold('paths', ['add', join(directory, 'files')])
    await peerfold('paths', ['put', join(directory, 'files/a.txt'), 'b.txt'])
    expectError(await peerfold('paths', ['cat', 'missing']), 'NOT_FOUND')
    expectError(await peerfold('paths', ['cat', '../b.txt']), 'PATH_INVALID')
    expectError(await peerfold('paths', ['restore', 'b.txt', '1.1']), 'VERSION_NOT_FOUND')
    expectError(await peerfold('paths', ['mkdir', 'b.txt/c']), 'NOT_A_FOLDER')
    expectError(await peerfold('paths', ['ls', '--workspace', 'nope']), 'WORKSPACE_NOT_FOUND')
    expectError(await peerfold('paths', ['device', 'remove', 'nobody']), 'DEVICE_NOT_FOUND')
    expectError(await peerfold('paths', ['get', 'b.txt', join(directory, 'no/such')]), 'FOLDER_NOT_FOUND')
    expectError(
      await peerfold('paths', ['get', 'b.txt', join(directory, 'files/a.txt/b')]),
      'FOLDER_NOT_FOUND',
    )
    expectError(await peerfold('paths', ['get', 'b.txt', join(directory, 'files/a.txt')]), 'ALREADY_EXISTS')
    expect((await peerfold('paths', ['cat', 'b.txt'])).stdout).toBe('a')
  }, 60_000)

  test('waiting without any peer', async () => {
    await peerfold('alone', ['init'])
    await mkdir(join(directory, 'alone-files'))
    await peerfold('alone', ['add', join(directory, 'alone-files')])
    expectError(await peerfold('alone', ['status', '--wait', '--timeout', '20']), 'NO_PEERS', 3)
  }, 60_000)
})
