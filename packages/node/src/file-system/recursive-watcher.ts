import { watch } from 'node:fs'
import { FileSystemError, type Watcher } from '@peerfold/core'
import { HintQueue } from './hint-queue.js'

/** One recursive watch, for systems that have it (macOS, Windows). */
export function createRecursiveWatcher(): Watcher {
  return {
    async *watch(root, options) {
      options?.signal?.throwIfAborted()
      const queue = new HintQueue(options?.signal)
      const watcher = watch(root, { recursive: true, persistent: false }, (_event, name) => {
        if (name === null) return queue.push({ type: 'overflow' })
        const parts = name.split(/[/\\]/)
        if (isSkipped(parts, options?.skips)) return
        queue.push({ type: 'dirty', directory: parts.slice(0, -1).join('/') })
        // A directory that came, moved or was replaced is named itself, and not what it holds.
        queue.push({ type: 'dirty', directory: parts.join('/') })
      })
      watcher.on('error', (error: NodeJS.ErrnoException) =>
        queue.fail(new FileSystemError(error.code ?? 'EIO', root, { cause: error })),
      )
      try {
        options?.onReady?.()
        yield* queue.drain()
      } finally {
        watcher.close()
      }
    },
  }
}

/** Whether an entry lies in a directory that is skipped, at any depth. */
function isSkipped(names: readonly string[], skips: ((directory: string) => boolean) | undefined): boolean {
  if (skips === undefined) return false
  return names.slice(1).some((_, i) => skips(names.slice(0, i + 1).join('/')))
}
