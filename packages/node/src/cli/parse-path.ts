import { resolve } from 'node:path'
import { InvalidArgumentError } from 'commander'

/** A path on this machine, made absolute. An empty one comes from a variable that is not set, and does not mean the current directory. */
export function parsePath(text: string): string {
  if (text === '') throw new InvalidArgumentError('it is empty')
  return resolve(text)
}
