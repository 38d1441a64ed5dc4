import type { IncomingMessage, ServerResponse } from 'node:http'
import { isPeerfoldError } from '@peerfold/core'
import { systemClock } from '@peerfold/core/platform'
import { isLoopback } from '../config/load-config.js'
import type { RelayConfig } from '../config/schema.js'
import type { RelayLogger } from '../logger.js'
import type { RelayMetrics } from '../metrics.js'
import type { RelayService, Tokens } from '../service.js'
import { AddressRates, clientAddress } from './addresses.js'
import { BlockMemory } from './block-memory.js'
import { busy, forbidden, HttpProblem, malformed, sendJson, sendProblem, unauthorized } from './problem.js'
import { BlockRoute } from './serve-block.js'
import { BlocksRoute } from './serve-blocks.js'
import { PollRoute } from './serve-poll.js'

export type HttpService = Pick<
  RelayService,
  'mailbox' | 'onChange' | 'readBlock' | 'tokens' | 'state' | 'reason'
>

export interface RoutesInit {
  service: HttpService
  config: RelayConfig['http']
  metrics: RelayMetrics
  log: RelayLogger
}

interface Route {
  /** As metrics call it: nothing of the request gets into their names. */
  name: string
  methods: readonly string[]
  /** Devices that have a token are bounded by how much they are sent at a time, not by how often they ask. */
  bounded?: boolean
  serve(request: IncomingMessage, response: ServerResponse, parts: string[]): Promise<void> | void
}

const GET = ['GET', 'HEAD']
/** What browsers of any origin may send: without a token it gets them nothing. */
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'ETag, Retry-After',
}
const PREFLIGHT = {
  ...CORS,
  'access-control-allow-methods': 'GET, HEAD, POST',
  'access-control-allow-headers': 'Authorization, Content-Type, If-None-Match',
  'access-control-max-age': '86400',
}

/** Answers requests (PROTOCOL.md §10.8). */
export class Routes {
  readonly #init: RoutesInit
  readonly #rates: AddressRates
  readonly #poll: PollRoute
  readonly #block: BlockRoute
  readonly #blocks: BlocksRoute

  constructor(init: RoutesInit) {
    const { config, service } = init
    this.#init = init
    this.#rates = new AddressRates({ clock: systemClock, rate: config.requestsPerAddress })
    this.#poll = new PollRoute(service, config)
    const memory = new BlockMemory(config.blockBytes)
    this.#block = new BlockRoute(service, config, memory)
    this.#blocks = new BlocksRoute(service, config, memory)
  }

  get polls(): number {
    return this.#poll.waiting
  }

  /** Long polls are told to come again; what is being sent is sent. */
  close(): void {
    this.#poll.close()
  }

  /** Answers in any case. `full`: more sockets than there may be. */
  async answer(request: IncomingMessage, response: ServerResponse, full: boolean): Promise<void> {
    const begun = performance.now()
    let name = 'other'
    try {
      const { route, parts } = this.#find(request)
      name = route.name
      if (full) throw busy(503, 'too many connections', 5)
      const isBounded = route.bounded === true && this.#callerOf(request) !== undefined
      if (route.name !== 'health' && !isBounded) this.#admit(request)
      if (request.method === 'OPTIONS') response.writeHead(204, PREFLIGHT).end()
      else await route.serve(request, response, parts)
    } catch (error) {
      this.#refuse(request, response, error, name)
    }
    this.#init.metrics.answered(name, response.statusCode, (performance.now() - begun) / 1000)
  }

  #find(request: IncomingMessage): { route: Route; parts: string[] } {
    const [path = '', query] = (request.url ?? '').split('?')
    if (!path.startsWith('/')) throw malformed('not a path')
    if (request.headers.host === undefined && request.httpVersion !== '1.0')
      throw malformed('Host is missing')
    const parts = path.slice(1).split('/')
    const route = query === undefined ? this.#routeOf(parts) : undefined
    if (route === undefined) throw new HttpProblem(404, 'NOT_FOUND', 'there is nothing at this address')
    const allowed = [...route.methods, 'OPTIONS']
    if (!allowed.includes(request.method ?? ''))
      throw new HttpProblem(405, 'INVALID_ARGUMENT', `takes ${allowed.join(', ')}`, {
        allow: allowed.join(', '),
      })
    return { route, parts }
  }

  #routeOf(parts: string[]): Route | undefined {
    const { service } = this.#init
    const [first, second] = parts
    if (parts.length === 1 && first === 'livez')
      return {
        name: 'health',
        methods: GET,
        serve: (_, response) => sendJson(response, 200, { state: 'live' }),
      }
    if (parts.length === 1 && first === 'readyz')
      return { name: 'health', methods: GET, serve: (_, response) => sendState(response, service) }
    if (parts.length === 1 && first === 'metrics')
      return { name: 'metrics', methods: GET, serve: (request, response) => this.#metrics(request, response) }
    if (parts.length === 2 && first === 'v1' && second === 'poll')
      return {
        name: 'poll',
        methods: ['POST'],
        serve: (request, response) => {
          withCors(response)
          return this.#poll.serve(request, response, this.#caller(request))
        },
      }
    if (parts.length === 3 && first === 'v1' && second === 'blocks')
      return {
        name: 'blocks',
        methods: ['POST'],
        bounded: true,
        serve: (request, response, [, , handle = '']) => {
          withCors(response)
          return this.#blocks.serve(request, response, this.#caller(request), handle)
        },
      }
    if (parts.length === 4 && first === 'v1' && second === 'blocks')
      return {
        name: 'blocks',
        methods: GET,
        serve: (request, response, [, , handle = '', cid = '']) => {
          withCors(response)
          return this.#block.serve(request, response, this.#caller(request), [handle, cid])
        },
      }
    return undefined
  }

  async #metrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { metrics, config } = this.#init
    if (!config.publicMetrics && !isHere(request)) throw forbiddenMetrics()
    const body = await metrics.registry.metrics()
    response.writeHead(200, { 'content-type': metrics.registry.contentType, 'cache-control': 'no-store' })
    response.end(body)
  }

  #admit(request: IncomingMessage): void {
    const { behindProxy } = this.#init.config
    const wait = this.#rates.take(clientAddress(request, behindProxy))
    if (wait !== undefined) throw busy(429, 'too many requests', Math.ceil(wait / 1000))
  }

  #callerOf(request: IncomingMessage): ReturnType<Tokens['check']> {
    const [, token] = /^Bearer ([A-Za-z0-9._~+/=-]{1,128})$/i.exec(request.headers.authorization ?? '') ?? []
    return token === undefined ? undefined : this.#init.service.tokens.check(token)
  }

  #caller(request: IncomingMessage): NonNullable<ReturnType<Tokens['check']>> {
    const caller = this.#callerOf(request)
    if (caller === undefined) throw unauthorized()
    return caller
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: unknown, route: string): void {
    const problem = error instanceof HttpProblem ? error : unexpected(error)
    if (problem.status >= 500 && problem.code !== 'BUSY')
      this.#init.log.error(
        { err: error, route, method: request.method, status: problem.status },
        'not answered',
      )
    if (response.headersSent || response.destroyed) {
      response.destroy()
      return
    }
    for (const name of ['etag', 'cache-control', 'content-type']) response.removeHeader(name)
    withCors(response)
    // What still comes of a body that nobody reads is dropped.
    request.resume()
    sendProblem(response, problem)
  }
}

function withCors(response: ServerResponse): void {
  for (const [name, value] of Object.entries(CORS)) response.setHeader(name, value)
}

function sendState(
  response: ServerResponse,
  { state, reason }: Pick<RelayService, 'state' | 'reason'>,
): void {
  sendJson(response, state === 'ready' ? 200 : 503, { state, reason })
}

/** Whether it comes from this machine itself, and not through a proxy on it. */
function isHere({ socket, headers }: IncomingMessage): boolean {
  const forwarded = headers['x-forwarded-for'] ?? headers.forwarded ?? headers['x-real-ip'] ?? headers.via
  return forwarded === undefined && isLoopback(socket.remoteAddress ?? '')
}

function forbiddenMetrics(): HttpProblem {
  const { status, code } = forbidden()
  return new HttpProblem(status, code, 'metrics are for this machine only, unless http.publicMetrics is set')
}

/** What went wrong in the relay is for its log; others learn whether to come again. */
function unexpected(error: unknown): HttpProblem {
  if (isPeerfoldError(error) && error.retryable) return busy(503, error.code, 2)
  return new HttpProblem(500, 'INTERNAL', 'the relay could not do that')
}
