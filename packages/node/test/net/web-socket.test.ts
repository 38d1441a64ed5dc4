import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { installWebSocket } from '../../src/net/web-socket.js'

test('a connection that fails when nobody listens to its errors ends nothing', async () => {
  installWebSocket()
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const socket = new WebSocket(`ws://127.0.0.1:${port}`)
  await new Promise((resolve) => socket.addEventListener('close', resolve))
  expect(socket.readyState).toBe(WebSocket.CLOSED)
  server.close()
})
