import { watch } from 'node:fs'
import { sep } from 'node:path'
import type { Watcher, WatchHint } from '@peerfold/core'

export function createNodeWatcher(): Watcher {
  return {
    async *watch(root, options): AsyncIterable<WatchHint> {
      const dirty = new Set<string>()
      let wake = () => {}
      let failure: unknown
      const watcher = watch(root, { recursive: true, persistent: false }, (_event, name) => {
        const parts = (name ?? '').split(sep)
        if (parts[0] === '.peerfold') return
        dirty.add(parts.slice(0, -1).join('/'))
        dirty.add(parts.join('/'))
        wake()
      })
      watcher.on('error', (error) => {
        failure = error
        wake()
      })
      const end = () => wake()
      options?.signal?.addEventListener('abort', end)
      try {
        options?.onReady?.()
        for (;;) {
          options?.signal?.throwIfAborted()
          if (failure !== undefined) throw failure
          const batch = [...dirty]
          dirty.clear()
          for (const directory of batch) yield { type: 'dirty', directory }
          if (dirty.size === 0) await new Promise<void>((resolve) => (wake = resolve))
        }
      } finally {
        options?.signal?.removeEventListener('abort', end)
        watcher.close()
      }
    },
  }
}
