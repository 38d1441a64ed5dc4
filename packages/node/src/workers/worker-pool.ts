import { setMaxListeners } from 'node:events'
import { Worker } from 'node:worker_threads'
import { type AbortOptions, PeerfoldError } from '@peerfold/core'
import type { CryptoOutcome, CryptoTask } from './crypto-runner.js'
import { WORKER_SOURCE, type WorkerReply } from './worker-source.js'

export interface WorkerPoolInit {
  /** Threads at most; they start when there is work for them. */
  threads: number
}

/** Makes a task and names the buffers that move with it, when a thread is free to take it: until then nothing is copied. */
export type PrepareTask = () => { task: CryptoTask; move: ArrayBuffer[] }

interface Job {
  prepare: PrepareTask
  resolve: (outcome: CryptoOutcome) => void
  reject: (reason: unknown) => void
}

/** Two for each thread, so that it finds the next when it has done one. */
const IN_FLIGHT = 2

/**
 * Worker threads that run crypto tasks. An idle thread does not keep the process alive; a busy one does, so that what is awaited comes.
 * The queue holds references only; its length is bounded by the callers, each of which waits for its own job.
 */
export class WorkerPool {
  readonly #limit: number
  readonly #threads: Thread[] = []
  readonly #queue: Job[] = []
  #closed = false

  constructor({ threads }: WorkerPoolInit) {
    this.#limit = Math.max(1, threads)
  }

  get threads(): number {
    return this.#limit
  }

  run(prepare: PrepareTask, { signal }: AbortOptions = {}): Promise<CryptoOutcome> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closed())
      if (signal?.aborted) return reject(signal.reason)
      const settle = () => signal?.removeEventListener('abort', abort)
      const job: Job = {
        prepare,
        resolve: (outcome) => {
          settle()
          resolve(outcome)
        },
        reject: (reason) => {
          settle()
          reject(reason)
        },
      }
      // A job that runs already is left to end; its result is dropped.
      const abort = () => {
        const at = this.#queue.indexOf(job)
        if (at >= 0) this.#queue.splice(at, 1)
        reject(signal?.reason)
      }
      // Many jobs of one call listen to its one signal: no leak, so no warning.
      if (signal !== undefined) setMaxListeners(0, signal)
      signal?.addEventListener('abort', abort, { once: true })
      this.#queue.push(job)
      this.#dispatch()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const job of this.#queue.splice(0)) job.reject(closed())
    await Promise.all(this.#threads.splice(0).map((thread) => thread.terminate()))
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const thread = this.#freeThread()
      if (thread === undefined) return
      const job = this.#queue.shift() as Job
      thread.send(job)
    }
  }

  #freeThread(): Thread | undefined {
    const idlest = this.#threads.toSorted((a, b) => a.inFlight - b.inFlight)[0]
    if (idlest?.inFlight === 0) return idlest
    if (this.#threads.length < this.#limit) {
      const thread = new Thread(
        () => this.#dispatch(),
        () => this.#forget(thread),
      )
      this.#threads.push(thread)
      return thread
    }
    return idlest !== undefined && idlest.inFlight < IN_FLIGHT ? idlest : undefined
  }

  /** A thread that died is replaced when there is work. */
  #forget(thread: Thread): void {
    const at = this.#threads.indexOf(thread)
    if (at >= 0) this.#threads.splice(at, 1)
    this.#dispatch()
  }
}

class Thread {
  readonly #worker: Worker
  readonly #jobs = new Map<number, Job>()
  readonly #onFree: () => void
  #nextId = 0

  constructor(onFree: () => void, onDeath: () => void) {
    this.#onFree = onFree
    this.#worker = new Worker(WORKER_SOURCE, {
      eval: true,
      execArgv: [],
      name: 'peerfold-crypto',
      // It handles buffers, hardly any objects: V8's default would let short-lived ones pile up.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    })
    this.#worker.unref()
    this.#worker.on('message', (reply: WorkerReply) => this.#settle(reply))
    const die = (cause: unknown) => {
      this.#fail(new PeerfoldError('INTERNAL', 'a crypto thread ended', { cause, retryable: true }))
      onDeath()
    }
    this.#worker.on('error', die)
    this.#worker.on('exit', (code) => die(new Error(`exit code ${code}`)))
  }

  get inFlight(): number {
    return this.#jobs.size
  }

  send(job: Job): void {
    const id = this.#nextId++
    try {
      const { task, move } = job.prepare()
      this.#worker.postMessage({ id, task }, move)
    } catch (error) {
      job.reject(error)
      return
    }
    if (this.#jobs.size === 0) this.#worker.ref()
    this.#jobs.set(id, job)
  }

  async terminate(): Promise<void> {
    this.#fail(closed())
    await this.#worker.terminate()
  }

  #settle({ id, outcome, error }: WorkerReply): void {
    const job = this.#jobs.get(id)
    this.#jobs.delete(id)
    if (this.#jobs.size === 0) this.#worker.unref()
    if (outcome !== undefined) job?.resolve(outcome)
    else job?.reject(new PeerfoldError('INTERNAL', `a crypto thread failed: ${error}`))
    this.#onFree()
  }

  #fail(reason: unknown): void {
    const jobs = [...this.#jobs.values()]
    this.#jobs.clear()
    this.#worker.unref()
    for (const job of jobs) job.reject(reason)
  }
}

function closed(): PeerfoldError {
  return new PeerfoldError('CLOSED', 'the crypto backend is closed')
}
