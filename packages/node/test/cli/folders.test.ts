import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DemoDevice, isType } from '../../dist/demo/device.js'
import { peerfold } from './command.js'

type Json = Record<string, any>

let directory: string

beforeAll(async () => {
  directory = await realpath(await mkdtemp(join(tmpdir(), 'peerfold-folders-')))
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

async function newDevice(name: string): Promise<DemoDevice> {
  const device = new DemoDevice(name, directory)
  await device.prepare()
  await device.run('init', '--name', name)
  return device
}

async function one(device: DemoDevice, ...args: string[]): Promise<Json> {
  const lines = await device.run(...args)
  expect(lines).toHaveLength(1)
  return lines[0] as Json
}

async function refusal(device: DemoDevice, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await peerfold(device.home, ['--json', ...args])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  return JSON.parse(stderr).code
}

const shown = (actions: Json[]) => actions.map((action) => `${action.do} ${action.path}`)
const inWorkspace = async (device: DemoDevice) => (await device.run('ls', '-r')).map(({ path }) => path)
const stateOf = async (device: DemoDevice) => (await one(device, 'status')).workspaces[0].state

const REMOVED = Array.from({ length: 120 }, (_, i) => `f${i}`)

/** A folder from which more is removed than passes unasked. */
async function removeMany(device: DemoDevice): Promise<void> {
  for (let i = 0; i < 150; i++) await writeFile(join(device.folder, `f${i}`), `${i}`)
  await one(device, 'add', device.folder, '--name', 'files')
  for (const name of REMOVED) await rm(join(device.folder, name))
}

describe('plan', () => {
  test('shows what would be published, and publishes nothing', async () => {
    const device = await newDevice('planned')
    await writeFile(join(device.folder, 'a.txt'), 'one')
    await writeFile(join(device.folder, 'gone.txt'), 'gone')
    await one(device, 'add', device.folder, '--name', 'files')
    await writeFile(join(device.folder, 'a.txt'), 'longer')
    await writeFile(join(device.folder, 'new.txt'), 'new')
    await rm(join(device.folder, 'gone.txt'))
    for (const args of [
      ['plan'],
      ['plan', device.folder, '--dry-run'],
      ['plan', '-w', 'files', '--accept'],
    ]) {
      const plan = await one(device, ...args)
      expect(plan).toMatchObject({ name: 'files', directory: device.folder, braked: false, accepted: false })
      expect(shown(plan.publish).sort()).toEqual(['create new.txt', 'edit a.txt', 'remove gone.txt'])
    }
    expect(await inWorkspace(device)).toEqual(['a.txt', 'gone.txt'])
    const { stdout } = await peerfold(device.home, ['plan'])
    expect(stdout.split('\n')).toEqual([
      'publish - gone.txt',
      'publish + new.txt  3 B',
      'publish ~ a.txt  6 B',
      'publish: -1 +1 ~1, 9 B',
      '',
    ])
  }, 180_000)

  test.each(['while start runs', 'while nothing runs'])(
    'a braked one is accepted %s',
    async (when) => {
      const device = await newDevice(when.replaceAll(' ', '-'))
      await removeMany(device)
      if (when === 'while start runs') {
        await device.start(['start'], isType('ready'))
        const braked = (line: Json) => line.type === 'state' && line.error?.code === 'BRAKE'
        await device.waitForLine(braked)
        expect((await one(device, 'status')).workspaces[0]).toMatchObject({
          state: 'paused',
          error: { code: 'BRAKE', hint: expect.stringContaining('peerfold plan --accept') },
        })
      }
      expect(await one(device, 'why', join(device.folder, 'f0'))).toMatchObject({ braked: true })
      expect(await one(device, 'plan')).toMatchObject({ braked: true, removals: 120 })
      expect((await peerfold(device.home, ['plan'])).stdout).toMatch(/120 items .*`peerfold plan --accept`/)
      expect(await inWorkspace(device)).toHaveLength(150)
      const accepted = await one(device, 'plan', '--accept')
      expect(accepted).toMatchObject({ accepted: true, removals: 120 })
      expect(new Set(shown(accepted.publish))).toEqual(new Set(REMOVED.map((name) => `remove ${name}`)))
      expect(await inWorkspace(device)).toHaveLength(30)
      expect(await one(device, 'plan')).toMatchObject({ braked: false, publish: [], apply: [] })
      await device.close()
    },
    60_000,
  )

  test('accepting shows what was accepted, and waits for a paused folder to be resumed', async () => {
    const device = await newDevice('accepting')
    await removeMany(device)
    await one(device, 'pause')
    expect(await refusal(device, 'plan', '--accept')).toBe('FOLDER_PAUSED')
    await one(device, 'resume')
    const lines = (await peerfold(device.home, ['plan', '--accept'])).stdout.trimEnd().split('\n')
    expect(new Set(lines.slice(0, -2))).toEqual(new Set(REMOVED.map((name) => `publish - ${name}`)))
    expect(lines.slice(-2)).toEqual(['publish: -120, 0 B', 'Accepted and done: 120 items removed.'])
  }, 180_000)

  test('names the folder that is meant, and refuses others', async () => {
    const device = await newDevice('several')
    expect(await refusal(device, 'plan')).toBe('FOLDER_NOT_FOUND')
    for (const name of ['one', 'two']) {
      await mkdir(join(directory, 'several', name, 'inner'), { recursive: true })
      await one(device, 'add', join(directory, 'several', name))
    }
    const inner = join(directory, 'several/two/inner')
    expect(await refusal(device, 'plan')).toBe('WORKSPACE_AMBIGUOUS')
    expect(await refusal(device, 'plan', directory)).toBe('FOLDER_NOT_FOUND')
    expect(await refusal(device, 'why', 'a.txt')).toBe('WORKSPACE_AMBIGUOUS')
    expect(await refusal(device, 'why', '/somewhere/else')).toBe('PATH_INVALID')
    expect(await one(device, 'plan', inner)).toMatchObject({ name: 'two' })
    expect(await one(device, 'plan', '-w', 'one')).toMatchObject({ name: 'one' })
    expect(await one(device, 'why', 'inner', '-w', 'one')).toMatchObject({ path: 'inner', name: 'one' })
    const exclusive = await peerfold(device.home, ['plan', '--accept', '--dry-run'])
    expect(exclusive).toMatchObject({ code: 2, stderr: expect.stringMatching(/^USAGE: /) })
    await rm(join(directory, 'several/one'), { recursive: true })
    expect(await refusal(device, 'plan', '-w', 'one')).toBe('FOLDER_MISSING')
  }, 180_000)
})

describe('pause and resume', () => {
  test('hold over restarts, whether or not start runs', async () => {
    const device = await newDevice('paused')
    await one(device, 'add', device.folder, '--name', 'files')
    expect(await one(device, 'pause')).toMatchObject({ directory: device.folder, paused: true })
    expect(await stateOf(device)).toBe('paused')
    await device.start(['start'], isType('ready'))
    await writeFile(join(device.folder, 'a.txt'), 'a')
    expect(await stateOf(device)).toBe('paused')
    expect(await refusal(device, 'status', '--wait', '--timeout', '20')).toBe('FOLDER_PAUSED')
    expect(shown((await one(device, 'plan')).publish)).toEqual(['create a.txt'])
    expect(await inWorkspace(device)).toEqual([])
    const published = device.waitForLine((line) => line.type === 'activity' && line.path === 'a.txt')
    expect(await one(device, 'resume')).toMatchObject({ paused: false })
    await published
    expect(await inWorkspace(device)).toEqual(['a.txt'])
    await one(device, 'pause', device.folder)
    await device.stop()
    expect(await stateOf(device)).toBe('paused')
    await one(device, 'resume')
    await one(device, 'resume')
    expect(await stateOf(device)).not.toBe('paused')
    await device.close()
  }, 180_000)
})

describe('why', () => {
  test('tells the rule, the three sides and what would happen, from any directory', async () => {
    const device = await newDevice('asked')
    await writeFile(join(device.folder, '.peerfoldignore'), '# scratch\n*.tmp\n')
    await writeFile(join(device.folder, 'a.txt'), 'one')
    await writeFile(join(device.folder, 'x.tmp'), 'scratch')
    await one(device, 'add', device.folder, '--name', 'files')
    await writeFile(join(device.folder, 'a.txt'), 'longer')
    for (const running of [false, true]) {
      if (running) {
        await one(device, 'pause')
        await device.start(['start'], isType('ready'))
      }
      for (const path of ['a.txt', join(device.folder, 'a.txt')])
        expect(await one(device, 'why', path)).toMatchObject({
          path: 'a.txt',
          paused: running,
          disk: { kind: 'file', size: 6 },
          synced: { kind: 'file', size: 3 },
          merged: { kind: 'file', size: 3 },
          versions: 1,
          actions: [{ direction: 'publish', do: 'edit' }],
        })
      expect(await one(device, 'why', 'x.tmp')).toMatchObject({
        ignoredBy: { source: '.peerfoldignore', line: 2, pattern: '*.tmp' },
        disk: { size: 7, opaque: 'IGNORED' },
        actions: [],
      })
    }
    const { stdout } = await peerfold(device.home, ['why', 'x.tmp'])
    expect(stdout).toContain('ignored by *.tmp (.peerfoldignore, line 2)')
    await device.close()
  }, 180_000)
})

describe('trash', () => {
  test('lists what others removed here, and puts it back', async () => {
    const device = await newDevice('trashed')
    for (const text of ['old', 'new']) {
      await writeFile(join(device.folder, 'a.txt'), text)
      if (text === 'old') await one(device, 'add', device.folder, '--name', 'files')
      await device.start(['start'], isType('ready'))
      const isGone = (line: Json) => line.type === 'activity' && line.action === 'remove'
      // What is published first can be removed.
      while ((await device.run('versions', 'a.txt').catch(() => [])).length === 0);
      const settled = async () => (await one(device, 'plan')).publish.length === 0
      while (!(await settled()));
      const removed = device.waitForLine((line) => isGone(line) && line.direction === 'applied')
      await one(device, 'rm', 'a.txt')
      await removed
      if (text === 'old') await device.stop()
    }
    const rows = (await device.run('trash', 'list')) as Json[]
    expect(rows.map(({ path, size }) => `${path} ${size}`)).toEqual(['a.txt 3', 'a.txt 3'])
    expect(Date.parse(rows[0]?.time)).toBeGreaterThanOrEqual(Date.parse(rows[1]?.time))
    expect(await refusal(device, 'trash', 'restore', 'b.txt')).toBe('NOT_FOUND')
    expect(await one(device, 'trash', 'restore', 'a.txt')).toMatchObject({ path: 'a.txt' })
    expect(await readFile(join(device.folder, 'a.txt'), 'utf8')).toBe('new')
    await device.stop()
    expect(await one(device, 'trash', 'restore', rows[1]?.name)).toMatchObject({ path: 'a (2).txt' })
    expect(await readFile(join(device.folder, 'a (2).txt'), 'utf8')).toBe('old')
    expect(await device.run('trash', 'list')).toEqual([])
    expect((await readdir(device.folder)).sort()).toEqual(['.peerfold', 'a (2).txt', 'a.txt'])
    await device.close()
  }, 180_000)
})
