import { createExchange } from '@peerfold/core/exchange'
import { systemClock, systemRandom } from '@peerfold/core/platform'
import { createLibp2pNetwork } from '../net/create-libp2p-network.js'
import { MadeBlocks } from './exchange-blocks.js'

/**
 * The other process of the benchmarks and of the tests between two processes: serves made blocks to whoever connects, sends as many raw bytes
 * as a stream asks for, and echoes. Started with `fork`; tells its addresses, says `done` with its CPU time when asked, ends with its parent.
 */

export const BENCH_HANDLE = '42'.repeat(32)
export const RAW_PROTOCOL = '/peerfold/bench/raw/1'
export const ECHO_PROTOCOL = '/peerfold/bench/echo/1'

export interface PeerOptions {
  count: number
  size: number
  listen: string
}

async function main(options: PeerOptions): Promise<void> {
  const network = await createLibp2pNetwork({
    peerSeed: systemRandom.bytes(32),
    listen: [options.listen],
    mdns: false,
    dht: false,
  })
  network.handle(ECHO_PROTOCOL, async (stream) => {
    for await (const data of stream.source) await stream.send(data)
    await stream.close()
  })
  network.handle(RAW_PROTOCOL, async (stream) => {
    let left = 0
    for await (const data of stream.source) {
      const bytes = data.subarray()
      left = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
    }
    for (; left > 0; left -= 64 * 1024) await stream.send(new Uint8Array(Math.min(left, 64 * 1024)))
    await stream.close()
  })
  const exchange = createExchange({ network, clock: systemClock })
  exchange.attach(BENCH_HANDLE, new MadeBlocks(options.count, options.size))
  network.on('connect', ({ peer }) => exchange.authorize(peer, new Set([BENCH_HANDLE])))
  const cpu = process.cpuUsage()
  process.on('message', () => process.send?.({ cpu: process.cpuUsage(cpu) }))
  process.on('disconnect', () => process.exit(0))
  process.send?.({ addresses: network.addresses() })
}

if (process.send !== undefined && process.argv[2] !== undefined) await main(JSON.parse(process.argv[2]))
