import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import { PeerfoldError } from '@peerfold/core'
import type { RelayConfig } from '../config/schema.js'
import { parseHostPort } from '../config/values.js'
import type { HttpSide } from '../service.js'
import { Exchanges } from './exchanges.js'
import { Routes, type RoutesInit } from './routes.js'

export interface HttpServer extends HttpSide {
  /** Reads certificate and key again: they are renewed while the relay runs. Without TLS, nothing. */
  reload(): Promise<void>
}

type HttpConfig = RelayConfig['http']

/** Sockets beyond `http.sockets` that are still told so; those beyond these are cut off. */
const TOLD = 128
/** What is being sent at a stop has so long. */
const DRAIN_MS = 5_000

/**
 * Starts the HTTP side of a relay (PROTOCOL.md §10.8).
 *
 * @throws {PeerfoldError} `INVALID_ARGUMENT` when it cannot listen there, or certificate and key cannot be used
 */
export async function startHttp(init: RoutesInit): Promise<HttpServer> {
  const { config, metrics } = init
  const routes = new Routes(init)
  const server = await createEitherServer(config)
  const sockets = new Set<Socket>()
  const exchanges = new Exchanges()
  server.on(config.tlsCert === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    exchanges.add(request, response)
    // Kept alive it would hold up the stop.
    response.once('close', () => {
      if (!server.listening) setImmediate(() => server.closeIdleConnections())
    })
    void routes.answer(request, response, sockets.size > config.sockets)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) =>
    exchanges.broken(socket, error.code),
  )
  const at = await listen(server, config.listen)
  metrics.watchHttp(() => ({ polls: routes.polls, sockets: sockets.size }))
  let closing: Promise<void> | undefined
  return {
    urls: () => (config.announce.length > 0 ? config.announce : [ownUrl(config, at)]),
    reload: async () => {
      if ('setSecureContext' in server) server.setSecureContext(await readTls(config))
    },
    close: () => {
      closing ??= closeServer(server, routes)
      return closing
    },
  }
}

async function createEitherServer(config: HttpConfig): Promise<Server | TlsServer> {
  const options = serverOptions(config)
  const server =
    config.tlsCert === undefined
      ? createServer(options)
      : createTlsServer({ ...options, ...(await readTls(config)), handshakeTimeout: config.headersTimeout })
  server.maxConnections = config.sockets + TOLD
  server.maxHeadersCount = 64
  return server
}

function serverOptions(config: HttpConfig): ServerOptions {
  const { headersTimeout, requestTimeout } = config
  return {
    maxHeaderSize: config.headerBytes,
    headersTimeout: Math.min(headersTimeout, requestTimeout),
    requestTimeout,
    keepAliveTimeout: config.keepAliveTimeout,
    connectionsCheckingInterval: Math.max(50, Math.min(2_000, headersTimeout / 4)),
    insecureHTTPParser: false,
    // Asked for by the routes, whose errors say what is wrong.
    requireHostHeader: false,
    noDelay: true,
  }
}

/** @throws {PeerfoldError} `INVALID_ARGUMENT` */
export async function readTls({
  tlsCert = '',
  tlsKey = '',
}: HttpConfig): Promise<{ cert: Buffer; key: Buffer }> {
  try {
    const [cert, key] = await Promise.all([readFile(tlsCert), readFile(tlsKey)])
    createSecureContext({ cert, key })
    return { cert, key }
  } catch (cause) {
    throw new PeerfoldError('INVALID_ARGUMENT', `cannot use the certificate: ${(cause as Error).message}`, {
      cause,
      hint: 'http.tlsCert and http.tlsKey name PEM files that the relay may read.',
    })
  }
}

async function listen(server: Server | TlsServer, where: string): Promise<AddressInfo> {
  const at = parseHostPort(where)
  if (at === undefined) throw new PeerfoldError('INVALID_ARGUMENT', `cannot listen on ${where}`)
  try {
    server.listen(at.port, at.host)
    await once(server, 'listening')
  } catch (cause) {
    throw new PeerfoldError('INVALID_ARGUMENT', `cannot listen on ${where}: ${(cause as Error).message}`, {
      cause,
      hint: 'Another program may have this port: choose another with --http HOST:PORT.',
    })
  }
  return server.address() as AddressInfo
}

function ownUrl({ tlsCert, listen }: HttpConfig, { port }: AddressInfo): string {
  const { host } = parseHostPort(listen) ?? { host: 'localhost' }
  const name = host.includes(':') ? `[${host}]` : host
  return `${tlsCert === undefined ? 'http' : 'https'}://${name}:${port}`
}

async function closeServer(server: Server | TlsServer, routes: Routes): Promise<void> {
  routes.close()
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const deadline = setTimeout(() => server.closeAllConnections(), DRAIN_MS)
  await closed
  clearTimeout(deadline)
}
