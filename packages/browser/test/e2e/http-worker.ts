import type { FetchBlocks } from '@peerfold/core/platform'
import { CID } from 'multiformats/cid'
import { createExchange } from '../../../core/src/exchange/exchange.js'
import { HttpRoute } from '../../../core/src/exchange/http-route.js'
import { systemClock } from '../../../core/src/platform/system-clock.js'
import { createMemoryHub, createMemoryNetwork } from '../../../core/src/testing/memory-network.js'
import { fetchBlocks } from '../../src/http/fetch-blocks.js'
import { CheckingStore } from './checking-store.js'

/** What a test asks of this worker. */
export interface Download {
  ticket: { token: string; urls: string[]; expires: number }
  /** Given when the first one is refused. */
  next?: { token: string; urls: string[]; expires: number }
  handle: string
  cids: string[]
}

export interface Downloaded {
  bytes: number
  seconds: number
  requests: number
  tickets: number
  faults: string[]
}

const PEER = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'

/** As a device does it in its worker: the exchange, with the relay's session and the network left out. */
async function download({ ticket, next, handle, cids }: Download): Promise<Downloaded> {
  const network = createMemoryNetwork(createMemoryHub({ clock: systemClock }))
  const faults: string[] = []
  let [requests, tickets] = [0, 0]
  const counting: FetchBlocks = (request, options) => {
    requests++
    return fetchBlocks(request, options)
  }
  const exchange = createExchange({
    network,
    clock: systemClock,
    onFault: (_, error) => faults.push(error.message),
  })
  const store = new CheckingStore()
  exchange.attach(handle, store)
  exchange.authorize(PEER, new Set([handle]))
  exchange.route(
    PEER,
    new HttpRoute({
      peer: PEER,
      clock: systemClock,
      fetchBlocks: counting,
      ticket: async () => (++tickets === 1 ? ticket : (next ?? ticket)),
      handle: () => handle,
    }),
  )
  const begun = performance.now()
  const names = cids.map((cid) => CID.parse(cid))
  try {
    await exchange.fetch(handle, names, { signal: AbortSignal.timeout(60_000) })
  } finally {
    await exchange.close()
  }
  return { bytes: store.bytes, seconds: (performance.now() - begun) / 1000, requests, tickets, faults }
}

addEventListener('message', ({ data }: MessageEvent<Download>) => {
  download(data).then(
    (done) => postMessage({ done }),
    (error: unknown) => postMessage({ error: String(error) }),
  )
})
