import type { Peerfold } from '@peerfold/core'
import {
  createPeerfold,
  createWebCrypto,
  type Home,
  systemClock,
  systemRandom,
} from '@peerfold/core/platform'
import { createPeerfoldServer } from '../../src/remote/server/serve.js'
import { openKeyValue } from '../../src/stores/key-value.js'
import { openLogStore } from '../../src/stores/log-store.js'
import { acceptClients } from '../../src/tabs/accept.js'
import type { StartDevice } from '../../src/tabs/leader.js'
import { openBlockStore } from './level-block-store.js'

/** A home in this browser's storage, whose key is no secret: for tests that open it again elsewhere. */
function storedHome(name: string): Home {
  return {
    key: new Uint8Array(32),
    journal: () => openLogStore(`${name}/journal`),
    workspace: async (id) => ({
      log: await openLogStore(`${name}/${id}/log`),
      blocks: await openBlockStore(`${name}/${id}/blocks`),
      index: await openKeyValue(`${name}/${id}/index`),
    }),
    removeWorkspace: async () => {},
    close: async () => {},
  }
}

export async function openStoredDevice(name: string): Promise<Peerfold> {
  const parts = { crypto: createWebCrypto(), clock: systemClock, random: systemRandom }
  const peerfold = await createPeerfold({ home: storedHome(name), ...parts }, { name: 'browser' })
  if (!peerfold.hasIdentity) await peerfold.identity.create()
  return peerfold
}

/** Runs the device right here, where `startDevice` is called. */
export function startHere(home: string, onStart: (token: number) => void = () => {}): StartDevice {
  return async ({ token, signal }) => {
    const peerfold = await openStoredDevice(home)
    const server = createPeerfoldServer(peerfold)
    const acceptor = await acceptClients({ home, token, onClient: (channel) => server.serve(channel) })
    onStart(token)
    const end = async () => {
      acceptor.close()
      server.close()
      await peerfold.close()
    }
    const ended = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => void end().then(resolve), { once: true })
      if (signal.aborted) void end().then(resolve)
    })
    return { ended }
  }
}
