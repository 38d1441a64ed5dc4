import type { Peerfold } from '@peerfold/core'

/**
 * An operation is one verb of the command line. It runs in the process that has the home open: in `peerfold start` when that runs, reached
 * over the control socket, else in the command's own process.
 */

/**
 * How much of a device an operation needs. `home`: keys and stores. `folders`: synced folders, looked at only. `network`: connections.
 * `all`: connections, and folders that are synced.
 */
export type OperationNeeds = 'home' | 'folders' | 'network' | 'all'

export interface Operation {
  needs: OperationNeeds
  run(peerfold: Peerfold, params: Record<string, unknown>, io: OperationIo): Promise<unknown>
}

/** What an operation reads and says while it runs. */
export interface OperationIo {
  /** Bytes that the caller sends, such as a file to put. */
  input: AsyncIterable<Uint8Array>
  /** Bytes for the caller. Awaiting is the back pressure. */
  write(bytes: Uint8Array): Promise<void>
  /** A fact for the caller before the operation ends: a ticket, progress. JSON. */
  emit(event: OperationEvent): void
  /** Aborted when the caller goes away. */
  signal: AbortSignal
}

export type OperationEvent =
  | { type: 'progress'; label: string; bytes: number; total?: number }
  | { type: 'ticket'; ticket: string; url: string; expires: string }
  | { type: 'row'; row: unknown }

/** A running device as a caller sees it, near or far. */
export interface ServiceCaller {
  /** @returns the operation's result: plain JSON */
  call(operation: string, params: Record<string, unknown>, io?: Partial<OperationIo>): Promise<unknown>
  close(): Promise<void>
}
