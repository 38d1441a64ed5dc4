import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Longest socket path that every system takes. */
const MAX_SOCKET_PATH = 100

/** Where the control socket of a home lies: in it, or, when that path is too long for a socket, in a private place named after it. */
export function controlPath(home: string): string {
  const path = join(home, 'control.sock')
  if (process.platform === 'win32') return `\\\\.\\pipe\\peerfold-${digest(home)}`
  return Buffer.byteLength(path) <= MAX_SOCKET_PATH ? path : join(tmpdir(), `peerfold-${digest(home)}.sock`)
}

function digest(home: string): string {
  return createHash('sha256').update(home).digest('hex').slice(0, 32)
}
