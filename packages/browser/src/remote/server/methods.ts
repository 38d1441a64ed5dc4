import type { Peerfold, Writer } from '@peerfold/core'
import type { Arguments, Target } from '../wire.js'
import type { ServerExchange } from './exchange.js'

/** What a method has to work with. */
export interface Call {
  peerfold: Peerfold
  exchange: ServerExchange
  args: Arguments
  target: Target
  client: ClientState
}

/** What a client has got beyond a single exchange. */
export interface ClientState {
  /** Transactions that are under way, by their number. */
  transactions: Map<number, Writer>
  /** Sends the mirrored state whenever it changes. */
  sendState(exchange: ServerExchange): Promise<never>
}

/** Does the work of one exchange; what it returns, the client's call returns. */
export type Method = (call: Call) => Promise<unknown>
