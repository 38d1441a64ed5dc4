import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Network } from '@peerfold/core'
import { createExchange, type ExchangeLimits } from '@peerfold/core/exchange'
import { systemClock, systemRandom } from '@peerfold/core/platform'
import { createLibp2pNetwork } from '../net/create-libp2p-network.js'
import { CheckingStore, MadeBlocks } from './exchange-blocks.js'
import { BENCH_HANDLE, type PeerOptions, RAW_PROTOCOL } from './exchange-peer.js'

const MIB = 1024 * 1024

export interface TransferResult {
  name: string
  mibPerSecond: number
  /** CPU seconds for each GiB. */
  cpu: { sender: number; receiver: number }
}

export interface TransferOptions {
  /** @default 512 MiB */
  bytes?: number
  /** @default 256 KiB */
  blockSize?: number
  /** @default any free TCP port on loopback */
  listen?: string
  limits?: Partial<ExchangeLimits>
}

/** Starts the other process, and gives what it told. Call `stop` when done. */
export async function startPeer(options: PeerOptions): Promise<{
  addresses: string[]
  child: ChildProcess
  cpu: () => Promise<NodeJS.CpuUsage>
  stop: () => Promise<void>
}> {
  const program = fileURLToPath(new URL('./exchange-peer.js', import.meta.url))
  const child = fork(program, [JSON.stringify(options)], { execArgv: [] })
  const failed = once(child, 'exit').then(() => Promise.reject(new Error('the other process did not start')))
  failed.catch(() => {})
  const told = await Promise.race([once(child, 'message'), failed])
  const [{ addresses }] = told as [{ addresses: string[] }]
  const cpu = async () => {
    child.send('cpu')
    const [answer] = (await once(child, 'message')) as [{ cpu: NodeJS.CpuUsage }]
    return answer.cpu
  }
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.disconnect()
    await exited
  }
  return { addresses, child, cpu, stop }
}

/** Bytes through one libp2p stream (noise, yamux) from another process: the ceiling of what the exchange can do. */
export async function benchRawStream(options: TransferOptions = {}): Promise<TransferResult> {
  const { bytes = 512 * MIB } = options
  return measure('one stream', bytes, { count: 0, size: 0, ...options }, async (network, peer) => {
    const stream = await network.open(peer, RAW_PROTOCOL)
    const request = new Uint8Array(4)
    new DataView(request.buffer).setUint32(0, bytes)
    await stream.send(request)
    await stream.close()
    let received = 0
    for await (const data of stream.source) received += data.byteLength
    if (received !== bytes) throw new Error(`received ${received} of ${bytes} bytes`)
  })
}

/** Blocks from another process, each verified, none stored: network and exchange without the disk. */
export async function benchExchange(options: TransferOptions = {}): Promise<TransferResult> {
  const { bytes = 512 * MIB, blockSize = 256 * 1024 } = options
  const count = Math.ceil(bytes / blockSize)
  const { cids } = new MadeBlocks(count, blockSize)
  const store = new CheckingStore()
  const name = `blocks of ${blockSize / 1024} KiB`
  return measure(name, bytes, { count, size: blockSize, ...options }, async (network, peer) => {
    const exchange = createExchange({ network, clock: systemClock, limits: options.limits })
    exchange.attach(BENCH_HANDLE, store)
    exchange.authorize(peer, new Set([BENCH_HANDLE]))
    await exchange.fetch(BENCH_HANDLE, cids)
    await exchange.close()
    if (store.bytes !== count * blockSize) throw new Error(`stored ${store.bytes} of ${bytes} bytes`)
  })
}

async function measure(
  name: string,
  bytes: number,
  options: Omit<PeerOptions, 'listen'> & TransferOptions,
  transfer: (network: Network, peer: string) => Promise<void>,
): Promise<TransferResult> {
  const { count, size, listen = '/ip4/127.0.0.1/tcp/0' } = options
  const other = await startPeer({ count, size, listen })
  const peerSeed = systemRandom.bytes(32)
  const network = await createLibp2pNetwork({ peerSeed, listen: [], mdns: false, dht: false })
  try {
    const { peer } = await network.dial({ addresses: other.addresses })
    const [before, theirs] = [process.cpuUsage(), await other.cpu()]
    const start = performance.now()
    await transfer(network, peer)
    const seconds = (performance.now() - start) / 1000
    const [own, sender] = [process.cpuUsage(before), await other.cpu()]
    const perGib = (usage: NodeJS.CpuUsage) => (usage.user + usage.system) / 1e6 / (bytes / 1024 / MIB)
    const spent = { user: sender.user - theirs.user, system: sender.system - theirs.system }
    return {
      name,
      mibPerSecond: bytes / MIB / seconds,
      cpu: { sender: perGib(spent), receiver: perGib(own) },
    }
  } finally {
    await network.close()
    await other.stop()
  }
}
