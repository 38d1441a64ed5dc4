import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

interface Exchange {
  request: IncomingMessage
  response: ServerResponse
}

const ANSWERS: Record<string, [status: string, message: string]> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'headers are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request took too long to come'],
}

/** Requests under way on each connection: what breaks on one says what can still be answered. */
export class Exchanges {
  readonly #active = new Map<Socket, Set<Exchange>>()

  add(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    const exchange = { request, response }
    const active = this.#active.get(socket) ?? new Set()
    this.#active.set(socket, active.add(exchange))
    response.once('close', () => {
      active.delete(exchange)
      if (active.size === 0) this.#active.delete(socket)
    })
  }

  /** What came is no request, came too slowly or broke off. */
  broken(socket: Socket, code?: string): void {
    const active = [...(this.#active.get(socket) ?? [])]
    const isHalf = active.some(({ request }) => !request.complete)
    const isAnswering = active.some(({ response }) => response.headersSent)
    if (!socket.writable || (isHalf && isAnswering)) socket.destroy()
    else if (active.length === 0 || isHalf) refuse(socket, code)
    // What came whole before it is answered still.
    else active.at(-1)?.response.once('close', () => socket.destroy())
  }
}

/** An answer to what is no request, so that whoever sent it by mistake can see why. */
function refuse(socket: Socket, code = ''): void {
  const [status, message] = ANSWERS[code] ?? ['400 Bad Request', 'not an HTTP request']
  const body = `${JSON.stringify({ code: 'MESSAGE_INVALID', message })}\n`
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close`
  socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy())
}
