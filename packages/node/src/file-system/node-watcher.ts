import { platform } from 'node:os'
import type { Watcher } from '@peerfold/core'
import { createDirectoryWatcher } from './directory-watcher.js'
import { createRecursiveWatcher } from './recursive-watcher.js'

/** The watcher that fits the system: see docs/decisions/0050. */
export function createNodeWatcher(): Watcher {
  return ['darwin', 'win32'].includes(platform()) ? createRecursiveWatcher() : createDirectoryWatcher()
}
