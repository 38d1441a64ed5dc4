import { access, chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DemoDevice, isType } from '../../dist/demo/device.js'
import { controlPath } from '../../src/service/control-path.js'
import { peerfold, startCommand } from './command.js'

let directory: string
const at = (...names: string[]) => join(directory, ...names)

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peerfold-cmd-'))
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** Runs a command that must succeed. @returns the objects that it printed, one a line */
async function json(home: string, args: string[], input?: string): Promise<Array<Record<string, unknown>>> {
  const { code, stdout, stderr } = await peerfold(home, ['--json', ...args], input)
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
}

async function text(home: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await peerfold(home, args)
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return stdout
}

/** The verbs over files, in a workspace that holds `a.txt`. */
async function useFiles(home: string, local: string): Promise<void> {
  await writeFile(`${local}-second`, 'second\n')
  await json(home, ['mkdir', 'deep/er'])
  await json(home, ['put', `${local}-second`, 'deep/'])
  await json(home, ['put', '-', 'deep/er/from-stdin'], 'typed\n')
  await json(home, ['mv', 'deep/er/from-stdin', 'deep/moved'])
  const paths = (await json(home, ['ls', '-r'])).map(({ path }) => path).sort()
  const name = `${local}-second`.split('/').at(-1)
  expect(paths).toEqual(['a.txt', 'deep', `deep/${name}`, 'deep/er', 'deep/moved'].sort())
  expect(await text(home, 'cat', 'deep/moved')).toBe('typed\n')
  await json(home, ['get', 'deep/moved', `${local}-got`])
  expect(await readFile(`${local}-got`, 'utf8')).toBe('typed\n')
  const again = await peerfold(home, ['--json', 'get', 'a.txt', `${local}-got`])
  expect(JSON.parse(again.stderr)).toMatchObject({ code: 'ALREADY_EXISTS', hint: expect.any(String) })
  expect(again.code).toBe(1)
  expect(await readFile(`${local}-got`, 'utf8')).toBe('typed\n')
  await json(home, ['put', `${local}-second`, 'a.txt'])
  const versions = await json(home, ['versions', 'a.txt'])
  expect(versions).toHaveLength(2)
  expect(await text(home, 'cat', 'a.txt', '--version-id', String(versions[1]?.id))).toBe('first\n')
  await json(home, ['restore', 'a.txt', String(versions[1]?.id)])
  expect(await text(home, 'cat', 'a.txt')).toBe('first\n')
  await json(home, ['rm', 'deep'])
  expect((await json(home, ['ls'])).map(({ path }) => path)).toEqual(['a.txt'])
  expect(await json(home, ['conflicts'])).toEqual([])
  const removed = await json(home, ['removed'])
  expect(removed.map(({ path }) => path)).toEqual(expect.arrayContaining([`deep/${name}`, 'deep/moved']))
  expect(await text(home, 'removed')).toMatch(/^\d+\.\d+\.\d+ .+ deep\/moved$/m)
  const moved = removed.find(({ path }) => path === 'deep/moved')
  await json(home, ['restore', 'deep/moved', String(moved?.version), '--to', 'back'])
  expect(await text(home, 'cat', 'back')).toBe('typed\n')
  await json(home, ['rm', 'back'])
}

/** What is on disk has been scanned, and what is in the workspace is on disk, before the barrier fails for want of anybody else. */
async function expectNoPeers(home: string): Promise<void> {
  const waited = await peerfold(home, ['--json', 'status', '--wait', '--timeout', '20'])
  expect(JSON.parse(waited.stderr)).toMatchObject({ code: 'NO_PEERS' })
  expect(waited.code).toBe(3)
}

describe('one device', () => {
  test('files of a workspace, while nothing runs and while start runs', async () => {
    const device = new DemoDevice('alone', directory)
    await device.prepare()
    await writeFile(join(device.folder, 'a.txt'), 'first\n')
    const [made] = await json(device.home, ['init', '--name', 'alone'])
    expect(String(made?.phrase).split(' ')).toHaveLength(24)
    await json(device.home, ['add', device.folder, '--name', 'things'])
    await useFiles(device.home, at('cold'))
    await device.start(['start'], isType('ready'))
    expect((await stat(controlPath(device.home))).mode & 0o777).toBe(0o600)
    await expectNoPeers(device.home)
    await rm(join(device.folder, 'a.txt'))
    await device.run('put', at('cold-second'), 'b.txt')
    await device.run('rm', 'b.txt')
    await writeFile(at('initial'), 'first\n')
    const listed = async () => (await json(device.home, ['ls'])).length
    while ((await listed()) > 0);
    await device.run('put', at('initial'), 'a.txt')
    const versions = await json(device.home, ['versions', 'a.txt'])
    expect(versions.length).toBeGreaterThan(0)
    await expectNoPeers(device.home)
    await device.close()
  }, 300_000)

  test('names that would steer a terminal are shown escaped', async () => {
    const home = at('odd/home')
    await json(home, ['init'])
    await mkdir(at('odd/files'))
    await writeFile(at('odd/files', 'red\u001b[31m\nline\u202egnp'), '')
    await json(home, ['add', at('odd/files')])
    expect(await text(home, 'ls')).toContain('red\\u001b[31m\\u000aline\\u202egnp')
    expect((await json(home, ['ls']))[0]?.path).toBe('red\u001b[31m\nline\u202egnp')
  }, 60_000)

  test('two workspaces are told apart by name', async () => {
    const home = at('two/home')
    await json(home, ['init'])
    for (const name of ['one', 'other']) {
      await mkdir(at('two', name))
      await writeFile(at('two', name, `${name}.txt`), name)
      await json(home, ['add', at('two', name)])
    }
    const ambiguous = await peerfold(home, ['--json', 'ls'])
    expect(JSON.parse(ambiguous.stderr)).toMatchObject({ code: 'WORKSPACE_AMBIGUOUS' })
    expect((await json(home, ['ls', '-w', 'other'])).map(({ path }) => path)).toEqual(['other.txt'])
  }, 60_000)

  test('the version is the one of the package', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(await text(at('none'), '--version')).toBe(`${version}\n`)
  })
})

describe('start', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s ends it with success and without a socket',
    async (signal) => {
      const home = at(`stops-${signal}`)
      await json(home, ['init'])
      const command = startCommand(home, ['--json', 'start', '--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0'])
      expect(await command.line()).toMatchObject({ type: 'ready' })
      await access(controlPath(home))
      command.child.kill(signal)
      expect(await command.ended).toMatchObject({ code: 0, stderr: '' })
      await expect(access(controlPath(home))).rejects.toThrow('ENOENT')
    },
    60_000,
  )

  test('starts again after it was killed', async () => {
    const device = new DemoDevice('killed', directory)
    await device.prepare()
    await device.run('init')
    await device.start(['start'], isType('ready'))
    await device.stop('SIGKILL')
    expect(await json(device.home, ['device', 'list'])).toHaveLength(1)
    await device.start(['start'], isType('ready'))
    await device.close()
  }, 60_000)
})

describe('several devices', () => {
  test('invite, join, status, recover, remove', async () => {
    const first = new DemoDevice('first', directory)
    const second = new DemoDevice('second', directory)
    const third = new DemoDevice('third', directory)
    await Promise.all([first.prepare(), second.prepare(), third.prepare()])
    await writeFile(join(first.folder, 'run.sh'), '#!/bin/sh\n')
    await chmod(join(first.folder, 'run.sh'), 0o755)
    const up = ['up', first.folder, '--name', 'first']
    const { phrase } = await first.start(up, (line) => typeof line.phrase === 'string')
    await first.waitForLine(isType('ready'))

    const invite = startCommand(first.home, ['--json', 'invite'])
    const { ticket } = await invite.line()
    await json(second.home, ['join', String(ticket), '--folder', second.folder, '--name', 'second'])
    expect(await invite.line()).toMatchObject({ accepted: { name: 'second' } })
    expect((await invite.ended).code).toBe(0)
    await second.start(['start'], isType('ready'))
    const [status] = await json(first.home, ['status', '--wait', '--timeout', '60'])
    expect(status).toMatchObject({
      device: { id: expect.any(String), name: 'first' },
      peers: [{ id: expect.any(String), kind: 'device', connected: true, via: 'tcp' }],
      workspaces: [
        {
          id: expect.any(String),
          name: 'files',
          folder: first.folder,
          state: expect.stringMatching(/^(synced|syncing)$/),
          files: 1,
          bytes: 10,
          pending: { files: 0, bytes: 0 },
          copies: { min: expect.any(Number) },
          waitingFor: [],
        },
      ],
    })
    expect((await stat(join(second.folder, 'run.sh'))).mode & 0o111).not.toBe(0)

    await second.stop()
    await Promise.all([first, second].map((one) => writeFile(join(one.folder, 'run.sh'), one.name)))
    await second.start(['start'], isType('ready'))
    await second.settle()
    await first.settle()
    await second.settle()
    const [conflict] = (await json(first.home, ['conflicts'])) as unknown as Array<{
      versions: Array<{ id: string }>
    }>
    expect(conflict?.versions).toHaveLength(2)
    const kept = conflict?.versions[1]?.id as string
    await json(first.home, ['resolve', 'run.sh', kept])
    expect(await json(first.home, ['conflicts'])).toEqual([])

    await json(third.home, ['recover', '--name', 'third'], `${phrase}\n`)
    const again = startCommand(first.home, ['--json', 'invite'])
    const reached = await json(third.home, ['join', String((await again.line()).ticket)])
    expect(reached).toMatchObject([{ workspaces: [{ name: 'files' }] }])
    expect(await again.line()).toMatchObject({ accepted: { name: 'third' } })
    expect((await again.ended).code).toBe(0)
    expect((await json(first.home, ['device', 'list'])).map(({ name }) => name).sort()).toEqual([
      'first',
      'second',
      'third',
    ])
    await json(first.home, ['device', 'remove', 'third'])
    const states = (await json(first.home, ['device', 'list'])).map(({ name, state }) => [name, state])
    expect(Object.fromEntries(states as Array<[string, string]>)).toEqual({
      first: 'active',
      second: 'active',
      third: 'revoked',
    })
    await Promise.all([first.close(), second.close()])
  }, 120_000)
})
