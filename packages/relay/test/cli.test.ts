import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { crypto, randomBlock, type TestFeed, TestWorkspace } from './commits.js'
import { TestDevice } from './device.js'
import {
  type Outcome,
  type RunningRelay,
  relayCommand,
  runRelay,
  startRelayCommand,
} from './relay-process.js'

let directory: string
let data: string
const closers: Array<() => Promise<unknown>> = []

beforeEach(async () => {
  directory = await fs.mkdtemp(join(tmpdir(), 'peerfold-relay-cli-'))
  data = join(directory, 'data')
})

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await fs.rm(directory, { recursive: true, force: true })
})

async function run(args: string[] = []): Promise<RunningRelay> {
  const relay = await runRelay(data, args)
  closers.push(async () => relay.child.kill('SIGKILL') && (await relay.ended))
  return relay
}

/** A command about this relay that succeeds, and its answer. */
async function ask(...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await relayCommand([...args, '--json', '--data', data])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

/** An error is one line with its code and what to do; nothing goes to stdout. */
function expectError({ code, stdout, stderr }: Outcome, errorCode: string, exitCode: number): void {
  expect(stderr).toMatch(new RegExp(`^${errorCode}: .+ — .+\\n$`))
  expect({ stdout, code }).toEqual({ stdout: '', code: exitCode })
}

async function device(relay: RunningRelay): Promise<TestDevice> {
  const made = await TestDevice.create()
  closers.push(() => made.close())
  return made.connect(relay.addresses)
}

/** Commits and blocks, small and large, in one workspace. */
async function fill(
  relay: RunningRelay,
): Promise<{ workspace: TestWorkspace; feed: TestFeed; digests: string[] }> {
  const author = await device(relay)
  const workspace = new TestWorkspace()
  await author.register(workspace)
  await author.open(workspace)
  const blocks = [randomBlock(500_000), randomBlock(400_000), randomBlock(2_000)]
  await (await author.offer(workspace.handle, blocks)).stored
  const feed = workspace.feed()
  for (let i = 0; i < 5; i++) await author.push(workspace.handle, [await feed.next(2_000)])
  return { workspace, feed, digests: blocks.map(({ digest }) => Buffer.from(digest).toString('hex')) }
}

const peerOf = () => {
  const device = new Uint8Array(randomBytes(32))
  return import('@peerfold/core/relay').then(({ peerIdOfKey }) => peerIdOfKey(crypto.publicKey(device)))
}

describe('start', () => {
  test('says in one line of JSON how it is reached; stops in order on SIGTERM and SIGINT', async () => {
    let peer: string | undefined
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const relay = await run()
      expect(relay.pid).toBe(relay.child.pid)
      expect(relay.addresses).toHaveLength(1)
      expect(relay.addresses[0]).toMatch(new RegExp(`^/ip4/127.0.0.1/tcp/[1-9]\\d*/p2p/${relay.peer}$`))
      expect((await fetch(`${relay.urls[0]}/readyz`)).status).toBe(200)
      const { code, stdout, stderr } = await relay.stop(signal)
      expect(code).toBe(0)
      expect(stdout.trim().split('\n')).toHaveLength(1)
      // Its key is the same from start to start.
      peer ??= relay.peer
      expect(relay.peer).toBe(peer)
      // The log is JSON lines on stderr.
      for (const line of stderr.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('level')
    }
    expect(await fs.readdir(data)).not.toContain('control.sock')
  })

  test('says it to people, too', async () => {
    const args = [
      'start',
      '--data',
      data,
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--http',
      'off',
      '--log-level',
      'silent',
    ]
    const relay = startRelayCommand(args)
    await expect.poll(() => relay.output.stdout, { timeout: 30_000 }).toContain('/p2p/')
    relay.child.kill('SIGTERM')
    const { code, stdout, stderr } = await relay.ended
    expect(stdout).toMatch(
      /^the relay is ready at\n {2}\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3KooW\w+\nthe relay has stopped\n$/,
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  test('a second signal ends it at once', async () => {
    const relay = await run()
    // Its stop gives this request, which never comes to an end, some time.
    const socket = connect(Number(new URL(relay.urls[0] as string).port), '127.0.0.1')
    socket.on('error', () => {})
    socket.write('POST /v1/poll HTTP/1.1\r\nHost: relay\r\nContent-Length: 100\r\n\r\n{')
    const opened = async () => await (await fetch(`${relay.urls[0]}/metrics`)).text()
    await expect.poll(opened, { timeout: 30_000 }).toMatch(/http_sockets [2-9]/)
    relay.child.kill('SIGTERM')
    await expect.poll(() => relay.output.stderr, { timeout: 30_000 }).toContain('"stopping"')
    relay.child.kill('SIGINT')
    expect((await relay.ended).code).toBe(130)
  })

  test('a second start is refused, and the first goes on', async () => {
    const relay = await run()
    expectError(
      await relayCommand([
        'start',
        '--data',
        data,
        '--listen',
        '/ip4/127.0.0.1/tcp/0',
        '--http',
        'off',
        '--log-level',
        'silent',
      ]),
      'HOME_LOCKED',
      1,
    )
    expect((await fetch(`${relay.urls[0]}/livez`)).status).toBe(200)
    expect((await ask('status')).running).not.toBeNull()
  })

  test('after kill -9 it starts again, over what the dead one left', async () => {
    const relay = await run()
    await relay.stop('SIGKILL')
    expect(await fs.readdir(data)).toContain('control.sock')
    const again = await run()
    expect(again.peer).toBe(relay.peer)
    expect((await ask('status')).running).toMatchObject({ pid: again.pid })
  })

  test.each<[string, string[]]>([
    ['an unknown flag', ['--frobnicate']],
    ['an address that is none', ['--listen', '127.0.0.1:4460']],
    ['an HTTP address that is none', ['--http', '8460']],
    ['HTTP that others reach, without TLS', ['--http', '0.0.0.0:0']],
    ['a certificate that is missing', ['--tls-cert', 'none.pem', '--tls-key', 'none.pem']],
    ['a setting that there is not', ['--set', 'limits.quotta=1GiB']],
    ['a setting without a value', ['--set', 'limits.quota']],
    ['a value of the wrong kind', ['--quota', 'much']],
    ['a configuration that is missing', ['--config', '/nonexistent/relay.yaml']],
    ['a configuration without a name', ['--config', '']],
    ['an empty address', ['--listen', '']],
  ])('%s is wrong usage', async (_, flags) => {
    const { code, stdout, stderr } = await relayCommand([
      'start',
      '--data',
      data,
      '--log-level',
      'silent',
      ...flags,
    ])
    expect(stderr).toMatch(/^(USAGE|INVALID_ARGUMENT): .+ — .+\n$/)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    // Nothing was left running or half made.
    expect(await fs.readdir(directory)).toEqual([])
  })

  test('an HTTP port that is taken', async () => {
    const relay = await run()
    const port = new URL(relay.urls[0] as string).port
    const other = [
      'start',
      '--data',
      join(directory, 'other'),
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--log-level',
      'silent',
    ]
    expectError(await relayCommand([...other, '--http', `127.0.0.1:${port}`]), 'INVALID_ARGUMENT', 2)
  })

  test('a data directory that is a file', async () => {
    await fs.writeFile(data, '')
    expectError(await relayCommand(['start', '--data', data, '--log-level', 'silent']), 'HOME_INVALID', 1)
  })

  test('--print-config prints what a file may hold, from all sources', async () => {
    const args = ['start', '--data', data, '--print-config', '--open', '--set', 'limits.sessions=7']
    const { code, stdout } = await relayCommand(args, { PEERFOLD_RELAY_LIMITS_QUOTA: '1GiB' })
    expect(code).toBe(0)
    const file = join(directory, 'relay.yaml')
    await fs.writeFile(file, stdout)
    const again = await relayCommand(['start', '--config', file, '--print-config', '--json'])
    expect(JSON.parse(again.stdout)).toMatchObject({
      data,
      open: true,
      limits: { sessions: 7, quota: 2 ** 30 },
    })
  })

  test('unknown commands, no command, --version', async () => {
    expectError(await relayCommand(['frobnicate']), 'USAGE', 2)
    expectError(await relayCommand([]), 'USAGE', 2)
    expect((await relayCommand(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect((await relayCommand(['--help'])).code).toBe(0)
    expectError(await relayCommand(['help', 'frobnicate']), 'USAGE', 2)
  })
})

const full = existsSync('/dev/full')
test.runIf(full)(
  `output that can't be written is an error${full ? '' : ' (this system has no /dev/full)'}`,
  async () => {
    const through = ['sh', '-c', 'exec "$@" > /dev/full', 'sh']
    for (const args of [['limits'], ['start', '--print-config'], ['--help']]) {
      const command = startRelayCommand(['--data', data, ...args], {}, through)
      expectError(await command.ended, 'STORE_FULL', 1)
    }
  },
)

describe('status', () => {
  test('is the same of a relay that runs and of one that is stopped', async () => {
    const relay = await run(['--open'])
    await fill(relay)
    const running = await ask('status')
    expect(running).toMatchObject({
      peer: relay.peer,
      state: 'ready',
      running: { pid: relay.pid, memoryBytes: expect.any(Number) },
      mailboxes: 1,
      commits: 5,
      blocks: 3,
    })
    await relay.stop()
    const { addresses, urls, running: none, ...stopped } = await ask('status')
    expect({ addresses, urls, none }).toEqual({ addresses: [], urls: [], none: null })
    expect(stopped).toMatchObject({
      peer: relay.peer,
      mailboxes: 1,
      commits: 5,
      blocks: 3,
      bytes: running.bytes,
    })
  })

  test('makes no relay where there is none', async () => {
    for (const command of ['status', 'gc', 'verify'])
      expectError(await relayCommand([command, '--data', data]), 'HOME_INVALID', 1)
    expect(await fs.readdir(directory)).toEqual([])
  })

  test('nobody else on the machine may ask', async () => {
    await run()
    const { mode } = await fs.stat(join(data, 'control.sock'))
    expect(mode & 0o777).toBe(0o600)
  })
})

describe('allow', () => {
  test('lets a device begin a mailbox while the relay runs, and takes that back', async () => {
    const relay = await run()
    const [first, second] = [await device(relay), await device(relay)]
    await expect(first.register(new TestWorkspace())).rejects.toMatchObject({ code: 'RELAY_REFUSED' })
    await ask('allow', first.peer)
    await first.register(new TestWorkspace())
    await expect(second.register(new TestWorkspace())).rejects.toMatchObject({ code: 'RELAY_REFUSED' })
    await ask('allow', '--remove', first.peer)
    await expect(first.register(new TestWorkspace())).rejects.toMatchObject({ code: 'RELAY_REFUSED' })
  })

  test('edits the list and leaves what else is in it, before the relay ever ran', async () => {
    const [a, b, c] = [await peerOf(), await peerOf(), await peerOf()]
    expect((await ask('allow', a, b, a)).changed).toEqual([a, b])
    const path = join(data, 'allowed')
    await fs.writeFile(path, `# friends\n${a} # Anna\n\n${b}\n`)
    expect(await ask('allow', b, c)).toEqual({ changed: [c], allowed: [a, b, c], open: false })
    expect((await ask('allow', '--remove', b, b)).changed).toEqual([b])
    expect(await fs.readFile(path, 'utf8')).toBe(`# friends\n${a} # Anna\n\n${c}\n`)
    const { stdout } = await relayCommand(['allow', '--list', '--data', data])
    expect(stdout).toBe(`${a}\n${c}\n`)
    expect((await fs.stat(path)).mode & 0o777).toBe(0o600)
    expect(await fs.readdir(data)).toEqual(['allowed'])
  })

  test('takes only PeerIds', async () => {
    for (const peer of [
      'x',
      '12D3KooW',
      `${await peerOf()}x`,
      'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKpcuM',
    ])
      expectError(await relayCommand(['allow', peer, '--data', data]), 'INVALID_ARGUMENT', 2)
    expectError(await relayCommand(['allow', '--data', data]), 'USAGE', 2)
    expect(await fs.readdir(directory)).toEqual([])
  })
})

describe.runIf(process.getuid?.() === 0)('root, on a relay that is another user’s', () => {
  test('leaves nothing there that the other cannot open', async () => {
    const NOBODY = 65_534
    const relay = await run(['--open'])
    await fill(relay)
    await relay.stop()
    await fs.chmod(directory, 0o755)
    for (const path of ['.', ...(await fs.readdir(data, { recursive: true }))])
      await fs.chown(join(data, path), NOBODY, NOBODY)
    await ask('allow', await peerOf())
    expect((await ask('status')).commits).toBe(5)
    await ask('gc')
    await ask('verify')
    for (const path of ['.', ...(await fs.readdir(data, { recursive: true }))])
      expect((await fs.stat(join(data, path))).uid, path).toBe(NOBODY)
  })
})

describe('limits', () => {
  test('shows those in force, and what was refused because of them', async () => {
    const relay = await run(['--set', 'limits.quota=5MiB'])
    const refused = await device(relay)
    await expect(refused.register(new TestWorkspace())).rejects.toMatchObject({ code: 'RELAY_REFUSED' })
    await fetch(`${relay.urls[0]}/v1/poll`, { method: 'POST', body: '{}' })
    const answer = await ask('limits')
    expect(answer.limits.limits.quota).toBe(5 * 2 ** 20)
    expect(answer.refused).toMatchObject({ 'requests failed with RELAY_REFUSED': 1, 'HTTP answered 401': 1 })
    const { stdout } = await relayCommand(['limits', '--data', data])
    expect(stdout).toContain('  requests failed with RELAY_REFUSED: 1\n')
  })

  test('of one that is stopped, those that it would start with', async () => {
    const answer = await ask('limits', '--set', 'limits.sessions=3')
    expect(answer).toMatchObject({ limits: { limits: { sessions: 3 } }, refused: null })
  })
})

describe('gc', () => {
  test('frees what no commit came to name, with the relay running and stopped', async () => {
    const leased = async () => {
      const author = await device(relay)
      const workspace = new TestWorkspace()
      await author.register(workspace)
      await author.open(workspace)
      await (await author.offer(workspace.handle, [randomBlock(300_000)])).stored
      await author.close()
    }
    let relay = await run(['--open', '--set', 'limits.lease=1s', '--set', 'limits.collectEvery=1h'])
    await leased()
    await expect.poll(() => ask('gc'), { timeout: 30_000, interval: 300 }).toMatchObject({ blocks: 1 })
    await leased()
    await relay.stop()
    await expect.poll(() => ask('gc'), { timeout: 30_000, interval: 300 }).toMatchObject({ blocks: 1 })
    expect(await ask('gc')).toEqual({ blocks: 0, bytes: 0 })
    relay = await run(['--open'])
    expect((await ask('status')).blocks).toBe(0)
  })
})

describe('reset', () => {
  test.each(['running', 'stopped'])(
    'of a %s relay takes a mailbox back from a removed device',
    async (how) => {
      let relay = await run()
      const [owner, removed] = [await device(relay), await device(relay)]
      await ask('allow', owner.peer)
      const workspace = new TestWorkspace()
      const { handle } = workspace
      await owner.register(workspace)
      await owner.open(workspace)
      const commits = await workspace.feed().several(3)
      await owner.push(handle, commits.slice(0, 2))
      const stolen = Object.assign(new TestWorkspace(), { handle, epochs: [workspace.current] })
      stolen.rotate()
      await removed.register(stolen)
      await removed.open(stolen)
      workspace.rotate()
      await expect(owner.register(workspace)).rejects.toMatchObject({ code: 'VERSION_MISMATCH' })
      if (how === 'stopped') await relay.stop()
      expect(await ask('reset', handle)).toEqual({ reset: handle })
      if (how === 'stopped') {
        // It follows from the log.
        await fs.rm(join(data, 'index'), { recursive: true })
        relay = await run()
        for (const each of [owner, removed]) await each.connect(relay.addresses)
      } else {
        const [more] = await stolen.feed().several(1)
        await expect(removed.push(handle, [more!])).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
      }
      await expect(removed.open(stolen)).rejects.toMatchObject({ code: 'WORKSPACE_NOT_FOUND' })
      // Neither with its own epoch, nor by repeating the first one: the operator does not allow it.
      await expect(removed.register(stolen)).rejects.toMatchObject({ code: 'WORKSPACE_NOT_FOUND' })
      const repeated = Object.assign(new TestWorkspace(), { handle, epochs: workspace.epochs.slice(0, 1) })
      await expect(removed.register(repeated)).rejects.toMatchObject({ code: 'RELAY_REFUSED' })
      await owner.register(workspace, { previous: undefined }, workspace.current)
      await owner.open(workspace)
      expect((await owner.push(handle, commits.slice(2))).next).toBe(4)
      expect(await owner.readAll(handle)).toEqual(commits.map(({ id }) => id))
      await expect(removed.open(stolen, 'pull', workspace.epochs[0])).resolves.toMatchObject({
        role: 'rotation',
      })
    },
  )

  test('of what there is not', async () => {
    expectError(await relayCommand(['reset', 'ab', '--data', data]), 'INVALID_ARGUMENT', 2)
    await run()
    expectError(await relayCommand(['reset', 'ab'.repeat(32), '--data', data]), 'WORKSPACE_NOT_FOUND', 1)
  })
})

describe('verify', () => {
  test('finds nothing wrong with a sound relay, and each damage in others', async () => {
    const relay = await run(['--open'])
    const { digests } = await fill(relay)
    expectError(await relayCommand(['verify', '--data', data]), 'HOME_LOCKED', 1)
    await relay.stop()
    const sound = await ask('verify')
    expect(sound).toMatchObject({ blocks: 3, damaged: [] })
    expect(sound.records).toBeGreaterThanOrEqual(6)
    await fs.cp(data, join(directory, 'sound'), { recursive: true })

    // A large block is a file of its own, named after it.
    await flip(await largestFile(join(data, 'blocks')), 1_000)
    expect(await findDamage()).toEqual([
      expect.objectContaining({ what: 'block', message: expect.any(String) }),
    ])
    // It was moved aside: from now on it is one that is missing.
    expect(await findDamage()).toEqual([expect.objectContaining({ message: 'it is listed, and not there' })])

    await restoreSound()
    await flip(join(data, 'log', await firstSegment()), 200)
    expect((await findDamage()).map(({ what }) => what)).toContain('log')

    await restoreSound()
    expect((await ask('verify')).damaged).toEqual([])
    expect(digests).toHaveLength(3)
  })

  async function findDamage(): Promise<Array<{ what: string; message: string }>> {
    const { code, stdout, stderr } = await relayCommand(['verify', '--json', '--data', data])
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    return JSON.parse(stdout).damaged
  }

  async function restoreSound(): Promise<void> {
    await fs.rm(data, { recursive: true })
    await fs.cp(join(directory, 'sound'), data, { recursive: true })
  }

  async function firstSegment(): Promise<string> {
    const [first] = (await fs.readdir(join(data, 'log'))).sort()
    return first as string
  }
})

async function largestFile(folder: string): Promise<string> {
  const entries = await fs.readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const sizes = await Promise.all(files.map(async (file) => (await fs.stat(file)).size))
  return files[sizes.indexOf(Math.max(...sizes))] as string
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await fs.readFile(path)
  bytes[at] = (bytes[at] as number) ^ 0xff
  await fs.writeFile(path, bytes)
}
