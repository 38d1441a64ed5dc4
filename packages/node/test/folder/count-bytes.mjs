// Loaded into a device's process before anything else (`node --import`): counts what it sends and receives over TCP. On SIGUSR2 it says how
// much, in the file that PEERFOLD_WIRE names, followed by its process id.
import { subscribe } from 'node:diagnostics_channel'
import { renameSync, writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

/** @type {Set<import('node:net').Socket>} */
const sockets = new Set()
let closed = 0

/** The control socket is no network. @param {import('node:net').Socket} socket */
function add(socket) {
  if (socket.remoteAddress === undefined) return
  sockets.add(socket)
  socket.once('close', () => {
    sockets.delete(socket)
    closed += bytesOf(socket)
  })
}

/** @param {import('node:net').Socket} socket */
function bytesOf(socket) {
  return socket.bytesRead + socket.bytesWritten
}

function tell() {
  const bytes = [...sockets].reduce((sum, socket) => sum + bytesOf(socket), closed)
  const file = `${process.env.PEERFOLD_WIRE}.${process.pid}`
  writeFileSync(`${file}.new`, String(bytes))
  renameSync(`${file}.new`, file)
}

if (isMainThread) {
  subscribe('net.client.socket', (message) => {
    const { socket } = /** @type {{ socket: import('node:net').Socket }} */ (message)
    socket.once('connect', () => add(socket))
  })
  subscribe('net.server.socket', (message) =>
    add(/** @type {{ socket: import('node:net').Socket }} */ (message).socket),
  )
  process.on('SIGUSR2', tell)
}
