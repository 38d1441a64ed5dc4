import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { RelayCounters, RelayService } from './service.js'

/** What `/metrics` tells: numbers only, none of them by workspace or by device. */
export interface RelayMetrics {
  readonly registry: Registry
  /** Tells the numbers of a relay from now on. */
  watch(service: Pick<RelayService, 'counters' | 'gauges' | 'status' | 'state' | 'onStored'>): void
  /** An HTTP request was answered. */
  answered(route: string, status: number, seconds: number): void
  /** Long polls and sockets are asked when someone looks. */
  watchHttp(now: () => HttpGauges): void
}

export interface HttpGauges {
  polls: number
  sockets: number
}

/** Around the goal of 150 ms for an acknowledgement under load. */
const ACK_SECONDS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 15]
const HTTP_SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60]

export function createMetrics(): RelayMetrics {
  const registry = new Registry()
  // Resident memory, CPU, event loop lag, garbage collection.
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const ack = new Histogram({
    name: 'peerfold_relay_ack_seconds',
    help: 'From the arrival of a push to its acknowledgement',
    buckets: ACK_SECONDS,
    registers,
  })
  const requests = new Counter({
    name: 'peerfold_relay_http_requests_total',
    help: 'HTTP requests answered',
    labelNames: ['route', 'status'],
    registers,
  })
  const seconds = new Histogram({
    name: 'peerfold_relay_http_seconds',
    help: 'Time to answer an HTTP request; long polls wait on purpose',
    labelNames: ['route'],
    buckets: HTTP_SECONDS,
    registers,
  })
  return {
    registry,
    watch: (service) => {
      watchCounters(registry, () => service.counters())
      watchGauges(registry, service)
      service.onStored((time) => ack.observe(time))
    },
    answered: (route, status, time) => {
      requests.inc({ route, status })
      seconds.observe({ route }, time)
    },
    watchHttp: (now) => {
      gauge(registry, 'http_polls', 'Long polls that wait', () => now().polls)
      gauge(registry, 'http_sockets', 'HTTP connections', () => now().sockets)
    },
  }
}

type Plain = Exclude<keyof RelayCounters, 'requests' | 'failed'>

const COUNTERS: Record<Plain, [name: string, help: string]> = {
  sessionsOpened: ['sessions_total', 'Sessions that began'],
  sessionsRefused: ['sessions_refused_total', 'Sessions refused: busy, too many, banned'],
  breaches: ['breaches_total', 'Sessions that broke the protocol'],
  commitsStored: ['commits_stored_total', 'Commits made durable'],
  commitBytes: ['commit_bytes_total', 'Bytes of commits made durable'],
  groups: ['appends_total', 'Appends to the log, each with one flush'],
  commitsRead: ['commits_read_total', 'Commits read by devices'],
  blocksStored: ['blocks_stored_total', 'Blocks made durable'],
  blockBytes: ['block_bytes_total', 'Bytes of blocks made durable'],
  blocksCollected: ['blocks_collected_total', 'Blocks deleted because no commit came to name them'],
  damagedRecords: ['damaged_records_total', 'Records of the log that could not be read'],
}

/** The relay counts; here it is only told, when someone asks. */
function watchCounters(registry: Registry, now: () => Readonly<RelayCounters>): void {
  for (const [key, [name, help]] of Object.entries(COUNTERS) as Array<[Plain, [string, string]]>)
    new Counter({
      name: `peerfold_relay_${name}`,
      help,
      registers: [registry],
      collect() {
        this.reset()
        this.inc(now()[key])
      },
    })
  watchByLabel(registry, ['requests_total', 'Requests answered', 'kind'], () => now().requests)
  watchByLabel(registry, ['failed_total', 'Requests answered `failed`', 'code'], () => now().failed)
}

function watchByLabel(
  registry: Registry,
  [name, help, label]: [string, string, string],
  now: () => Record<string, number>,
): void {
  new Counter({
    name: `peerfold_relay_${name}`,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset()
      for (const [value, count] of Object.entries(now())) this.inc({ [label]: value }, count)
    },
  })
}

function watchGauges(registry: Registry, service: Pick<RelayService, 'gauges' | 'status' | 'state'>): void {
  const { gauges } = service
  gauge(registry, 'sessions', 'Devices with a session', () => gauges.call(service).sessions)
  gauge(registry, 'open_mailboxes', 'Mailboxes open in sessions', () => gauges.call(service).openMailboxes)
  gauge(registry, 'queue_requests', 'Requests that wait for the disk', () => gauges.call(service).queued)
  gauge(registry, 'queue_bytes', 'Bytes that wait for the disk', () => gauges.call(service).queuedBytes)
  gauge(registry, 'ready', '1 while it takes what devices send', () => (service.state === 'ready' ? 1 : 0))
  const status = () => service.status()
  gauge(registry, 'mailboxes', 'Mailboxes on the disk', async () => (await status()).mailboxes)
  gauge(registry, 'commits', 'Commits on the disk', async () => (await status()).commits)
  gauge(registry, 'blocks', 'Blocks on the disk', async () => (await status()).blocks)
  gauge(registry, 'stored_bytes', 'Bytes of blocks and commits', async () => (await status()).bytes)
}

function gauge(registry: Registry, name: string, help: string, now: () => number | Promise<number>): void {
  new Gauge({
    name: `peerfold_relay_${name}`,
    help,
    registers: [registry],
    async collect() {
      this.set(await now())
    },
  })
}
