import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PeerfoldError, type PeerId } from '@peerfold/core'
import { keyOfPeerId } from '@peerfold/core/relay'

/** The file `allowed` of a relay: who may begin a mailbox. One PeerId a line, `#` begins a comment; the relay reads it again when it changed. */

/** @throws {PeerfoldError} `INVALID_ARGUMENT` */
export function checkPeers(peers: readonly string[]): void {
  for (const peer of peers) {
    try {
      keyOfPeerId(peer)
    } catch (cause) {
      throw new PeerfoldError('INVALID_ARGUMENT', `not the PeerId of a device: ${peer}`, {
        cause,
        hint: 'A PeerId begins with 12D3KooW; `peerfold status --json` on the device shows it.',
      })
    }
  }
}

export async function listAllowed(data: string): Promise<PeerId[]> {
  const peers = (await readLines(data)).map(peerOf).filter((peer) => peer !== '')
  return [...new Set(peers)]
}

/** @returns those that were not there yet */
export async function addAllowed(data: string, peers: readonly PeerId[]): Promise<PeerId[]> {
  const lines = await readLines(data)
  const known = new Set(lines.map(peerOf))
  const fresh = [...new Set(peers)].filter((peer) => !known.has(peer))
  if (fresh.length > 0) await writeLines(data, [...lines, ...fresh])
  return fresh
}

/** @returns those that were there */
export async function removeAllowed(data: string, peers: readonly PeerId[]): Promise<PeerId[]> {
  const lines = await readLines(data)
  const kept = lines.filter((line) => !peers.includes(peerOf(line)))
  if (kept.length < lines.length) await writeLines(data, kept)
  const known = new Set(lines.map(peerOf))
  return [...new Set(peers)].filter((peer) => known.has(peer))
}

function peerOf(line: string): string {
  return line.replace(/#.*/, '').trim()
}

async function readLines(data: string): Promise<string[]> {
  const text = await readFile(join(data, 'allowed'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw new PeerfoldError('IO_FAILED', `cannot read ${join(data, 'allowed')}`, { cause: error })
  })
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}

/** Whole or not at all: a list that was cut in the middle would shut devices out. */
async function writeLines(data: string, lines: readonly string[]): Promise<void> {
  const path = join(data, 'allowed')
  const temporary = `${path}.${process.pid}.new`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(lines.map((line) => `${line}\n`).join(''))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true })
    throw new PeerfoldError('IO_FAILED', `cannot write ${path}: ${(cause as Error).message}`, { cause })
  }
}
