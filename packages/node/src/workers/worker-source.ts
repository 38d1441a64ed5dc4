import type { MessagePort } from 'node:worker_threads'
import type { CryptoTask } from './crypto-runner.js'
import { createCryptoRunner } from './crypto-runner.js'

/** From the pool to a thread. */
export interface WorkerRequest {
  id: number
  task: CryptoTask
}

/** From a thread to the pool. */
export interface WorkerReply {
  id: number
  outcome?: ReturnType<ReturnType<typeof createCryptoRunner>>
  /** The message of an error that is no refusal. */
  error?: string
}

/** The program of a worker thread. Like the runner, it travels as its source text and refers to nothing outside. */
function serve(port: MessagePort, run: ReturnType<typeof createCryptoRunner>): void {
  /** Large results are moved, small ones copied: moving costs more than copying below some KiB. */
  function movable(value: unknown, into: Set<ArrayBuffer>): void {
    if (value instanceof Uint8Array) {
      if (value.byteLength > 4096) into.add(value.buffer as ArrayBuffer)
    } else if (Array.isArray(value)) {
      for (const item of value) movable(item, into)
    } else if (typeof value === 'object' && value !== null && 'bytes' in value) {
      movable(value.bytes, into)
    }
  }

  port.on('message', ({ id, task }: WorkerRequest) => {
    try {
      const outcome = run(task)
      const moved = new Set<ArrayBuffer>()
      if ('results' in outcome) movable(outcome.results, moved)
      port.postMessage({ id, outcome } satisfies WorkerReply, [...moved])
    } catch (error) {
      port.postMessage({ id, error: String(error) } satisfies WorkerReply)
    }
  })
}

/** JavaScript for `new Worker(…, { eval: true })`. */
export const WORKER_SOURCE = `'use strict'
const run = (${createCryptoRunner})(require('node:crypto'), true);
(${serve})(require('node:worker_threads').parentPort, run)
`
