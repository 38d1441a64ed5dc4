import type { Operation } from './operation.js'
import { text } from './params.js'

/** Verbs over the relays that this device uses. */
export const RELAY_OPERATIONS: Record<string, Operation> = {
  'relay-add': {
    needs: 'home',
    run: (pf, params, io) => pf.relays.add(text(params, 'address'), io),
  },
  'relay-list': { needs: 'home', run: async (pf) => pf.relays.list() },
  'relay-remove': {
    needs: 'home',
    run: async (pf, params, io) => {
      const relay = text(params, 'relay')
      await pf.relays.remove(relay, io)
      return { peer: relay }
    },
  },
}
