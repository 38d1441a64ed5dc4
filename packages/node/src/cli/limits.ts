import { PeerfoldError, type TransferRates } from '@peerfold/core'
import type { Command } from 'commander'
import { parseRate } from './parse-rate.js'

export interface LimitOptions {
  limitUp?: number
  limitDown?: number
}

/** For every command that may send or fetch files itself. */
export function withLimits(command: Command): Command {
  return command
    .option('--limit-up <rate>', 'how fast files may leave, bytes per second: 500K, 2M, 1.5MiB', parseRate)
    .option('--limit-down <rate>', 'how fast files may come', parseRate)
}

export function ratesOf({ limitUp, limitDown }: LimitOptions): TransferRates {
  return { up: limitUp || undefined, down: limitDown || undefined }
}

/** @throws {PeerfoldError} `INVALID_ARGUMENT`: rather than a limit that is not kept, none is taken */
export function refuseLimits({ up, down }: TransferRates): void {
  if (up === undefined && down === undefined) return
  throw new PeerfoldError('INVALID_ARGUMENT', 'this device is running already, with limits of its own', {
    hint: 'Leave --limit-up and --limit-down out, or give them to `peerfold start`.',
  })
}
