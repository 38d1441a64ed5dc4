import { statfs } from 'node:fs/promises'
import { PeerfoldError, type WorkspaceHandle } from '@peerfold/core'
import type { ServiceCaller } from '@peerfold/node/control'
import type { RelayConfig } from '../config/schema.js'
import type { RelayMetrics } from '../metrics.js'
import type { RelayService } from '../service.js'
import type { RelayStatus } from '../types.js'

/** What commands ask of a running relay over its control socket. Answers are plain JSON. */
export interface OperationsInit {
  service: RelayService
  config: RelayConfig
  metrics?: RelayMetrics
}

export interface StatusAnswer extends RelayStatus {
  /** Of the process; undefined when the relay is stopped. */
  running?: { pid: number; seconds: number; memoryBytes: number }
  queued: number
  disk: { freeBytes: number; totalBytes: number }
}

export interface LimitsAnswer {
  limits: Pick<RelayConfig, 'limits' | 'rates' | 'circuits' | 'disk' | 'http'>
  /** Why → how often, since the relay started. */
  refused: Record<string, number>
}

export function createOperations(init: OperationsInit): ServiceCaller {
  const { service, config } = init
  const operations: Record<string, (params: Record<string, unknown>) => Promise<unknown>> = {
    ping: async () => ({}),
    status: () => statusOf(service, config, true),
    limits: async (): Promise<LimitsAnswer> => ({
      limits: limitsOf(config),
      refused: await refusedBy(init),
    }),
    gc: () => service.collect(),
    reset: async ({ handle }) => {
      await service.reset(checkHandle(handle))
      return {}
    },
    verify: async () => {
      throw new PeerfoldError('HOME_LOCKED', 'the relay is running', {
        hint: 'Stop it first: what it writes meanwhile would look like damage.',
      })
    },
  }
  return {
    call: async (name, params) => {
      const operation = Object.hasOwn(operations, name) ? operations[name] : undefined
      if (operation === undefined) throw new PeerfoldError('INVALID_ARGUMENT', `no such operation: ${name}`)
      return await operation(params)
    },
    close: async () => {},
  }
}

/** @throws {PeerfoldError} `INVALID_ARGUMENT` */
export function checkHandle(handle: unknown): WorkspaceHandle {
  if (typeof handle === 'string' && /^[0-9a-f]{64}$/.test(handle)) return handle
  throw new PeerfoldError('INVALID_ARGUMENT', 'not the handle of a workspace', {
    hint: 'It has 64 hexadecimal digits: `peerfold relay list` names it on the device that is shut out.',
  })
}

export async function statusOf(
  service: RelayService,
  { data }: RelayConfig,
  isRunning: boolean,
): Promise<StatusAnswer> {
  const { bsize, bavail, blocks } = await statfs(data)
  const running = {
    pid: process.pid,
    seconds: Math.round(process.uptime()),
    memoryBytes: process.memoryUsage.rss(),
  }
  return {
    ...(await service.status()),
    ...(isRunning ? { running } : {}),
    queued: service.gauges().queued,
    disk: { freeBytes: bsize * bavail, totalBytes: bsize * blocks },
  }
}

export function limitsOf({ limits, rates, circuits, disk, http }: RelayConfig): LimitsAnswer['limits'] {
  return { limits, rates, circuits, disk, http }
}

async function refusedBy({ service, metrics }: OperationsInit): Promise<Record<string, number>> {
  const { sessionsRefused, breaches, failed } = service.counters()
  const refused: Record<string, number> = { 'sessions refused': sessionsRefused, 'protocol broken': breaches }
  for (const [code, count] of Object.entries(failed)) refused[`requests failed with ${code}`] = count
  const requests = await metrics?.registry.getSingleMetric('peerfold_relay_http_requests_total')?.get()
  for (const { labels, value } of requests?.values ?? []) {
    const name = `HTTP answered ${labels.status}`
    if (Number(labels.status) >= 400) refused[name] = (refused[name] ?? 0) + value
  }
  return refused
}
