import * as fs from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RelayAnswerOf } from '@peerfold/core/relay'
import { describe, expect, test } from 'vitest'
import { type TestCommit, type TestFeed, TestWorkspace } from './commits.js'
import { TestDevice } from './device.js'
import { type RunningRelay, relayCommand, runRelay } from './relay-process.js'

/** Devices with a session; `npm run test:campaign:relay-load` takes a thousand. */
const PEERS = Number(process.env.PEERFOLD_PEERS ?? 200)
/** Commits a second that are offered, whether or not the relay keeps up. */
const RATE = Number(process.env.PEERFOLD_RATE ?? 200)
const SECONDS = 5
const POLLS = 1_000
/** Devices of one workspace: one writes, the others are told. */
const DEVICES = 4
/** That connect at a time. */
const AT_ONCE = 8

/** Set on purpose for a load that comes from one address; memory as the service unit sets it. */
const SETTINGS = [
  'limits.connectionsPerSecond=10000',
  'limits.sessions=5000',
  'limits.connections=5000',
  'rates.requestsPerAddress=1000000',
  'rates.bytesPerAddress=1GiB',
  'http.requestsPerAddress=100000',
  'http.pollsPerPeer=100',
]
const MEMORY = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' }

interface Group {
  workspace: TestWorkspace
  feed: TestFeed
  author: TestDevice
  readers: TestDevice[]
  commits: TestCommit[]
}

/** Times of commits, by workspace and place. */
class Times {
  readonly #sent = new Map<string, number>()
  readonly ack: number[] = []
  readonly notify: number[] = []

  send(handle: string, place: number): void {
    this.#sent.set(`${handle}/${place}`, performance.now())
  }

  since(handle: string, place: number): number {
    return performance.now() - (this.#sent.get(`${handle}/${place}`) ?? Number.NaN)
  }
}

async function inBatches<T>(count: number, make: (n: number) => Promise<T>): Promise<T[]> {
  const made: T[] = []
  for (let at = 0; at < count; at += AT_ONCE) {
    const size = Math.min(AT_ONCE, count - at)
    made.push(...(await Promise.all(Array.from({ length: size }, (_, i) => make(at + i)))))
  }
  return made
}

async function connectGroups(relay: RunningRelay): Promise<Group[]> {
  const devices = await inBatches(PEERS, async () => (await TestDevice.create()).connect(relay.addresses))
  const groups: Group[] = []
  for (let at = 0; at + DEVICES <= devices.length; at += DEVICES) {
    const [author, ...readers] = devices.slice(at, at + DEVICES) as [TestDevice, ...TestDevice[]]
    const workspace = new TestWorkspace()
    await author.register(workspace)
    for (const device of [author, ...readers]) await device.open(workspace)
    groups.push({ workspace, feed: workspace.feed(), author, readers, commits: [] })
  }
  return groups
}

/** Tells when each place of the mailbox was told, until all of them were. */
async function follow(device: TestDevice, last: number, told: (place: number) => void): Promise<void> {
  let place = 1
  for (let seen = 0; place <= last; ) {
    await device.until(() => device.changed.length > seen || device.ended)
    if (device.ended) throw new Error('the session ended')
    for (; seen < device.changed.length; seen++)
      for (const { next } = device.changed[seen] as { next: number }; place < next; place++) told(place)
  }
}

/** Offers commits at the rate, evenly over the authors, and waits until each is acknowledged and each reader was told of each. */
async function offerCommits(groups: Group[], times: Times): Promise<void> {
  const each = Math.ceil((RATE * SECONDS) / groups.length)
  for (const group of groups) group.commits = await group.feed.several(each)
  const following = groups.flatMap(({ workspace: { handle }, readers }) =>
    readers.map((reader) => follow(reader, each, (place) => times.notify.push(times.since(handle, place)))),
  )
  const acks: Promise<unknown>[] = []
  const begun = performance.now()
  for (let i = 0; i < each * groups.length; i++) {
    const early = begun + (1000 * i) / RATE - performance.now()
    if (early > 1) await new Promise((resolve) => setTimeout(resolve, early))
    acks.push(pushNext(groups[i % groups.length] as Group, Math.floor(i / groups.length), times))
  }
  await Promise.all([...acks, ...following])
}

async function pushNext({ workspace, author, commits }: Group, i: number, times: Times): Promise<void> {
  const { handle } = workspace
  times.send(handle, i + 1)
  await author.push(handle, [commits[i] as TestCommit])
  times.ack.push(times.since(handle, i + 1))
}

/** Long polls that wait for one more commit each; resolves with how long after the commit was sent each was answered. */
async function wakePolls(relay: RunningRelay, groups: Group[]): Promise<number[]> {
  const [url] = relay.urls as [string]
  const waiting = await inBatches(POLLS, async (n) => {
    const { workspace, author, readers, commits } = groups[n % groups.length] as Group
    const device = [author, ...readers][n % DEVICES] as TestDevice
    const { token } = await device.ask<RelayAnswerOf<'ticket'>>({ type: 'token' })
    const { incarnation } = await device.verify(
      workspace.handle,
      (await device.read(workspace.handle, commits.length + 1)).signed,
    )
    const mailbox = { handle: workspace.handle, incarnation, next: commits.length + 1 }
    const answered = fetch(`${url}/v1/poll`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ mailboxes: [mailbox], timeoutMs: 55_000 }),
    }).then(async (response) => ({ at: performance.now(), mailbox, answer: await response.json() }))
    return { answered }
  })
  await expect.poll(() => metric(relay, 'peerfold_relay_http_polls'), { timeout: 50_000 }).toBe(POLLS)
  const sent = performance.now()
  const more = groups.map(async ({ workspace, feed, author }) =>
    author.push(workspace.handle, [await feed.next()]),
  )
  await Promise.all(more)
  const answers = await Promise.all(waiting.map(({ answered }) => answered))
  for (const { mailbox, answer } of answers)
    expect(answer).toEqual({ changed: [{ ...mailbox, next: mailbox.next + 1 }] })
  return answers.map(({ at }) => at - sent)
}

async function metric(relay: RunningRelay, name: string): Promise<number> {
  const text = await (await fetch(`${relay.urls[0]}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
}

/** Seconds of CPU that the relay and its clients, which share the cores, have used so far. */
async function cpuSeconds(relay: RunningRelay): Promise<{ relay: number; clients: number }> {
  const { user, system } = process.cpuUsage()
  return { relay: await metric(relay, 'process_cpu_seconds_total'), clients: (user + system) / 1e6 }
}

function percentiles(times: number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  return `p50 ${at(0.5).toFixed(0)}, p95 ${at(0.95).toFixed(0)}, p99 ${at(0.99).toFixed(0)}, max ${at(1).toFixed(0)} ms`
}

describe('a relay under load', () => {
  test(`${PEERS} devices, ${RATE} commits a second, ${POLLS} long polls: all acknowledged, all told`, async () => {
    const directory = await fs.mkdtemp(join(tmpdir(), 'peerfold-relay-load-'))
    const data = join(directory, 'data')
    const args = ['--open', '--log-level', 'warn', ...SETTINGS.flatMap((setting) => ['--set', setting])]
    const relay = await runRelay(data, args, MEMORY)
    let groups: Group[] = []
    try {
      const idle = await metric(relay, 'process_resident_memory_bytes')
      groups = await connectGroups(relay)
      const times = new Times()
      const before = await cpuSeconds(relay)
      await offerCommits(groups, times)
      const used = await cpuSeconds(relay)
      const commits = groups.length * (groups[0]?.commits.length ?? 0)
      expect(times.ack).toHaveLength(commits)
      expect(times.notify).toHaveLength(commits * (DEVICES - 1))
      const busy = await metric(relay, 'process_resident_memory_bytes')
      const polls = await wakePolls(relay, groups)
      const { stdout } = await relayCommand(['status', '--json', '--data', data])
      expect(JSON.parse(stdout)).toMatchObject({
        state: 'ready',
        commits: commits + groups.length,
        queued: 0,
      })
      const after = await metric(relay, 'process_resident_memory_bytes')
      const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0)
      console.log(
        [
          `${PEERS} devices, ${commits} commits offered at ${RATE}/s, ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}`,
          `acknowledged: ${percentiles(times.ack)}`,
          `told to others: ${percentiles(times.notify)}`,
          `CPU meanwhile: relay ${(used.relay - before.relay).toFixed(1)} s, clients ${(used.clients - before.clients).toFixed(1)} s`,
          `${POLLS} long polls woken by ${groups.length} commits at once: ${percentiles(polls)}`,
          `resident memory: ${mib(idle)} MiB idle, ${mib(busy)} loaded, ${mib(after)} after the polls`,
        ].join('\n'),
      )
      expect((await relay.stop()).code).toBe(0)
    } finally {
      relay.child.kill('SIGKILL')
      await Promise.all(
        groups.flatMap(({ author, readers }) => [author, ...readers]).map((device) => device.close()),
      )
      await fs.rm(directory, { recursive: true, force: true })
    }
  }, 900_000)
})
