import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { loadConfig } from '../../src/config/load-config.js'
import type { RelayConfig } from '../../src/config/schema.js'
import { type HttpServer, startHttp } from '../../src/http/start-http.js'
import { createLogger } from '../../src/logger.js'
import { createMetrics, type RelayMetrics } from '../../src/metrics.js'
import { FakeService } from './fake-service.js'

export interface HttpFixture {
  service: FakeService
  server: HttpServer
  metrics: RelayMetrics
  /** Lines that were logged. */
  logged: string[]
  port: number
  url: string
  fetch(path: string, init?: RequestInit & { token?: string }): Promise<Response>
  poll(token: string, body: unknown, init?: { signal?: AbortSignal }): Promise<Response>
  /** Sends these bytes as they are. @returns all that comes back until the relay closes, or `until` is in it */
  raw(bytes: string | Uint8Array, options?: { end?: boolean; until?: RegExp }): Promise<string>
  socket(): Promise<Socket>
  close(): Promise<void>
}

export async function startFixture(http: Partial<RelayConfig['http']> = {}): Promise<HttpFixture> {
  const config = await loadConfig({})
  const service = new FakeService()
  const metrics = createMetrics()
  const logged: string[] = []
  const log = createLogger({ level: 'debug', destination: { write: (line) => void logged.push(line) } })
  const settings = { ...config.http, listen: '127.0.0.1:0', ...http }
  const server = await startHttp({ service, config: settings, metrics, log })
  const [url = ''] = server.urls()
  const port = Number(new URL(url).port)
  const fetchPath: HttpFixture['fetch'] = (path, { token, ...init } = {}) => {
    const headers = new Headers(init.headers)
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
    return fetch(`${url}${path}`, { ...init, headers })
  }
  const socket = async () => {
    const opened = connect(port, '127.0.0.1')
    opened.on('error', () => {})
    await once(opened, 'connect')
    return opened
  }
  return {
    service,
    server,
    metrics,
    logged,
    port,
    url,
    socket,
    fetch: fetchPath,
    poll: (token, body, init) =>
      fetchPath('/v1/poll', { method: 'POST', token, body: JSON.stringify(body), ...init }),
    raw: async (bytes, { end = false, until } = {}) => {
      const opened = await socket()
      if (end) opened.end(bytes)
      else opened.write(bytes)
      return await readAll(opened, until)
    },
    close: () => server.close(),
  }
}

export async function readAll(socket: Socket, until?: RegExp): Promise<string> {
  let text = ''
  return await new Promise((resolve) => {
    const done = () => {
      socket.destroy()
      resolve(text)
    }
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (until?.test(text)) done()
    })
    socket.once('end', done)
    socket.once('close', done)
  })
}
