import { execFile, spawnSync } from 'node:child_process'
import * as fs from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { npmCommand } from '../../../../scripts/bootstrap.mjs'
import { compare, walk } from '../../src/demo/verifier.js'
import { becomeEqual, contents, eventually, realFolder } from './node-folder.js'

const ENV = {
  ...process.env,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Ann',
  GIT_AUTHOR_EMAIL: 'ann@example.org',
  GIT_COMMITTER_NAME: 'Ann',
  GIT_COMMITTER_EMAIL: 'ann@example.org',
}

async function run(cwd: string, program: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { cwd, env: ENV })
  return stdout.trim()
}

let outside: string

beforeEach(async () => {
  outside = await fs.mkdtemp(join(tmpdir(), 'peerfold-outside-'))
})

afterEach(() => fs.rm(outside, { recursive: true, force: true }))

/** Files by path; folders are made as needed. */
async function writeAll(directory: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await fs.mkdir(dirname(join(directory, path)), { recursive: true })
    await fs.writeFile(join(directory, path), text)
  }
}

const many = (count: number, path: (i: number) => string, text: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [path(i), `${text} ${i}\n`.repeat(20)]))

describe('git', () => {
  /** Branches `main` and `other`, that differ in 150 files: changed, new, gone, renamed, executable, a folder instead of a file, a link. */
  async function makeRepository(): Promise<string> {
    const origin = join(outside, 'origin')
    await fs.mkdir(origin)
    const git = (...args: string[]) => run(origin, 'git', ...args)
    await git('init', '-q', '-b', 'main')
    await writeAll(
      origin,
      many(150, (i) => `src/part-${i % 10}/file-${i}.ts`, 'main'),
    )
    await writeAll(origin, { thing: 'a file', 'run.sh': '#!/bin/sh\n', '.gitignore': 'dist\n' })
    await git('add', '-A')
    await git('commit', '-q', '-m', 'main')
    await git('checkout', '-q', '-b', 'other')
    await writeAll(
      origin,
      many(50, (i) => `src/part-${i % 10}/file-${i}.ts`, 'other'),
    )
    await git('mv', 'src/part-3', 'renamed')
    await git('rm', '-q', '-rf', 'src/part-4', 'thing')
    await writeAll(origin, { ...many(50, (i) => `new/file-${i}.ts`, 'new'), 'thing/inside': 'a folder' })
    await fs.symlink('src', join(origin, 'link'))
    await fs.chmod(join(origin, 'run.sh'), 0o755)
    await git('add', '-A')
    await git('commit', '-q', '-m', 'other')
    await git('checkout', '-q', 'main')
    return origin
  }

  test('a clone, checkouts and a commit arrive as a repository that is whole and clean', async () => {
    await using left = await realFolder()
    await using right = await realFolder({ workspace: left.workspace })
    const origin = await makeRepository()
    const here = left.path('project')
    const there = right.path('project')
    const expectClean = async (branch: string) => {
      await becomeEqual(left, right)
      for (const directory of [here, there]) {
        expect(
          await run(directory, 'git', '--no-optional-locks', 'status', '--porcelain', '--branch'),
        ).toMatch(new RegExp(`^## ${branch}[^\n]*$`))
        await run(directory, 'git', 'fsck', '--strict')
      }
      expect(await run(there, 'git', 'rev-parse', 'HEAD')).toBe(await run(here, 'git', 'rev-parse', 'HEAD'))
    }

    await run(left.directory, 'git', 'clone', '-q', `file://${origin}`, 'project')
    await expectClean('main')
    await run(here, 'git', 'checkout', '-q', 'other')
    await expectClean('other')
    await run(there, 'git', 'checkout', '-q', 'main')
    await expectClean('main')
    await writeAll(there, { 'src/more.ts': 'more\n' })
    await run(there, 'git', 'add', '-A')
    await run(there, 'git', 'commit', '-q', '-m', 'more')
    await expectClean('main')
    expect(await run(here, 'git', 'log', '--format=%s', '-1')).toBe('more')
    expect(left.sync.status().issues.concat(right.sync.status().issues)).toEqual([])
  }, 120_000)
})

describe('npm install', () => {
  const packageDirectory = dirname(createRequire(import.meta.url).resolve('semver/package.json'))

  /** A real package with a command, as npm would publish it; nothing is downloaded. */
  async function pack(): Promise<string> {
    const { command, args } = npmCommand()
    await run(outside, command, ...args, 'pack', '--silent', '--ignore-scripts', packageDirectory)
    const [tarball] = (await fs.readdir(outside)).filter((name) => name.endsWith('.tgz'))
    return join(outside, String(tarball))
  }

  async function install(directory: string): Promise<void> {
    const { command, args } = npmCommand()
    await fs.mkdir(directory)
    await fs.writeFile(join(directory, 'package.json'), '{ "name": "app", "private": true }\n')
    const quiet = ['--offline', '--no-audit', '--no-fund', '--silent', '--cache', join(outside, 'cache')]
    await run(directory, command, ...args, 'install', ...quiet, await pack())
  }

  test('gives the other side a package that works, links of commands included', async () => {
    await using left = await realFolder()
    await using right = await realFolder({ workspace: left.workspace })
    await install(left.path('app'))
    await becomeEqual(left, right)
    const command = right.path('app', 'node_modules', '.bin', 'semver')
    expect((await fs.lstat(command)).isSymbolicLink()).toBe(true)
    expect(await run(right.path('app'), command, '1.2.3', '--increment', 'minor')).toBe('1.3.0')
    const installed = await walk(join(left.path('app'), 'node_modules', 'semver'))
    expect(Object.keys(installed).length).toBeGreaterThan(40)
  }, 120_000)

  test('stays on this side when a rule says so, and its lock file does not', async () => {
    await using left = await realFolder()
    await using right = await realFolder({ workspace: left.workspace })
    await fs.writeFile(left.path('.peerfoldignore'), 'node_modules/\n')
    await becomeEqual(left, right)
    await install(left.path('app'))
    await eventually(async () => {
      for (const folder of [left, right]) await folder.settled()
      expect(Object.keys(await contents(right.directory))).toEqual([
        '.peerfoldignore',
        'app',
        'app/package-lock.json',
        'app/package.json',
      ])
    })
    expect(await fs.readdir(left.path('app', 'node_modules', '.bin'))).toEqual(['semver'])
  }, 120_000)
})

describe('rsync', () => {
  type Copy = (source: string, target: string) => Promise<void>

  const rsync: Copy = async (source, target) => {
    await run(source, 'rsync', '-a', '--delete', '--exclude=.peerfold', `${source}/`, target)
  }

  /** What rsync does to each file: a hidden name beside the true one, mode and time, then the true name. */
  const likeRsync: Copy = async (source, target) => {
    await fs.mkdir(target, { recursive: true })
    for (const entry of await fs.readdir(source, { withFileTypes: true })) {
      const [from, to] = [join(source, entry.name), join(target, entry.name)]
      if (entry.isDirectory()) await likeRsync(from, to)
      else if (entry.isSymbolicLink()) {
        await fs.rm(to, { force: true })
        await fs.symlink(await fs.readlink(from), to)
      } else await replaceAsRsync(from, to)
    }
    const wanted = new Set(await fs.readdir(source))
    for (const name of await fs.readdir(target))
      if (!wanted.has(name)) await fs.rm(join(target, name), { recursive: true })
  }

  async function replaceAsRsync(from: string, to: string): Promise<void> {
    const temporary = join(dirname(to), `.${basename(to)}.Xb81Zq`)
    const { mode, mtimeMs } = await fs.stat(from)
    // Node rounds down: half a microsecond keeps the millisecond.
    const mtime = (mtimeMs + 0.0005) / 1000
    await fs.writeFile(temporary, await fs.readFile(from), { mode: 0o600 })
    await fs.utimes(temporary, mtime, mtime)
    await fs.chmod(temporary, mode)
    await fs.rename(temporary, to)
  }

  const hasRsync = spawnSync('rsync', ['--version']).status === 0
  const ways: Array<[string, Copy]> = [['as rsync writes', likeRsync]]
  if (hasRsync) ways.push(['rsync itself', rsync])

  test.each(ways)(
    '%s: copies, and copies of what changed, arrive with modes and times',
    async (_, copy) => {
      await using left = await realFolder()
      await using right = await realFolder({ workspace: left.workspace })
      const source = join(outside, 'source')
      await writeAll(
        source,
        many(100, (i) => `album ${i % 5}/photo ${i}.jpg`, 'photo'),
      )
      await fs.symlink('album 0', join(source, 'latest'))
      await fs.utimes(join(source, 'album 0', 'photo 0.jpg'), 1e9, 1e9)
      await fs.chmod(join(source, 'album 1', 'photo 1.jpg'), 0o755)
      const expectCopied = async () => {
        await becomeEqual(left, right)
        expect(compare(await walk(source), await walk(right.path('backup')))).toEqual([])
      }

      await copy(source, left.path('backup'))
      await expectCopied()
      await writeAll(
        source,
        many(30, (i) => `album ${i % 5}/photo ${i}.jpg`, 'retouched'),
      )
      await fs.rm(join(source, 'album 4', 'photo 99.jpg'))
      const before = await left.workspace.tree.lookup(['backup', 'album 2', 'photo 2.jpg'])
      await copy(source, left.path('backup'))
      await expectCopied()
      const after = await left.workspace.tree.lookup(['backup', 'album 2', 'photo 2.jpg'])
      expect(after?.item).toBe(before?.item)
      expect(after?.heads[0]?.content.plain).not.toEqual(before?.heads[0]?.content.plain)
    },
    120_000,
  )
})
