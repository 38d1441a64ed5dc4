import type { WireError } from '../remote/wire-error.js'
import type { Hello } from '../tabs/greeting.js'

/** From the page that leads to the worker of its device. */
export type ToWorker =
  | {
      type: 'open'
      home: string
      name: string
      token: number
      iceServers: readonly RTCIceServer[]
      rtc: MessagePort
    }
  /** A service worker wants to be connected. */
  | { type: 'client'; hello: Hello; port: MessagePort }
  /** Ends the device in order; `ended` follows. */
  | { type: 'close' }

export type FromWorker =
  /** Clients can connect. */
  | { type: 'ready' }
  /** It could not be opened, or has failed: `error`. */
  | { type: 'ended'; error?: WireError }
