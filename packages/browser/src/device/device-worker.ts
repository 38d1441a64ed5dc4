import type { Peerfold } from '@peerfold/core'
import { createPeerfoldServer } from '../remote/server/serve.js'
import { toWireError } from '../remote/wire-error.js'
import { type Acceptor, acceptClients } from '../tabs/accept.js'
import type { FromWorker, ToWorker } from './messages.js'
import { openDevice } from './open-device.js'

/** The dedicated worker that the leading tab starts: the device of this origin, and what lets clients use it. */

const scope = globalThis as unknown as {
  postMessage(message: FromWorker): void
  addEventListener(type: 'message', listener: (event: MessageEvent<ToWorker>) => void): void
}
const closing = new AbortController()
/** Those who came before the device was open. */
const early: Array<ToWorker & { type: 'client' }> = []
let acceptor: Acceptor | undefined

scope.addEventListener('message', ({ data }) => {
  if (data.type === 'close') closing.abort()
  else if (data.type === 'client') accept(data)
  else
    run(data).then(
      () => scope.postMessage({ type: 'ended' }),
      (error: unknown) => scope.postMessage({ type: 'ended', error: toWireError(error) }),
    )
})

function accept(client: ToWorker & { type: 'client' }): void {
  if (acceptor === undefined) early.push(client)
  else acceptor.accept(client.hello, client.port)
}

async function run({ home, token, ...init }: ToWorker & { type: 'open' }): Promise<void> {
  await using peerfold = await openDevice({ home, token, ...init, signal: closing.signal })
  await serve(peerfold, home, token)
}

/** Until this device is to end. */
async function serve(peerfold: Peerfold, home: string, token: number): Promise<void> {
  using server = createPeerfoldServer(peerfold)
  using accepting = await acceptClients({
    home,
    token,
    onClient: (channel) => server.serve(channel),
    onSuperseded: () => closing.abort(),
  })
  acceptor = accepting
  for (const client of early.splice(0)) accept(client)
  scope.postMessage({ type: 'ready' })
  await new Promise<void>((resolve) => {
    if (closing.signal.aborted) resolve()
    closing.signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
