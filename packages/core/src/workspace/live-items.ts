import { isPeerfoldError } from '../errors.js'
import type { Item, Live } from './types.js'

export interface LiveItemsInit {
  /** Reads the folder's items as they are now. */
  load(signal: AbortSignal): Promise<Item[]>
  /** Calls back whenever they may have changed. */
  onChange(listener: () => void): () => void
}

/**
 * A folder's items, kept up to date. Undefined until the first listing is in, empty while the folder does not exist. Changes that come while a
 * listing runs cost one more listing, however many they are.
 */
export function createLiveItems({ load, onChange }: LiveItemsInit): Live<Item[] | undefined> & Disposable {
  const listeners = new Set<(items: Item[] | undefined) => void>()
  const controller = new AbortController()
  let value: Item[] | undefined
  let running = false
  let dirty = false

  const refresh = async (): Promise<void> => {
    dirty = true
    if (running) return
    running = true
    while (dirty && !controller.signal.aborted) {
      dirty = false
      const items = await loadOrEmpty(load, controller.signal)
      if (items === undefined || (value !== undefined && sameItems(items, value))) continue
      value = items
      for (const listener of [...listeners]) listener(value)
    }
    running = false
  }

  const stop = onChange(() => void refresh())
  void refresh()
  return {
    get value() {
      return value
    },
    subscribe(listener) {
      listeners.add(listener)
      listener(value)
      return () => listeners.delete(listener)
    },
    [Symbol.dispose]() {
      stop()
      controller.abort()
      listeners.clear()
    },
  }
}

/** Undefined when the listing was cut short: what was known stays. */
async function loadOrEmpty(load: LiveItemsInit['load'], signal: AbortSignal): Promise<Item[] | undefined> {
  try {
    return await load(signal)
  } catch (error) {
    return isPeerfoldError(error, 'NOT_FOUND') || isPeerfoldError(error, 'NOT_A_FOLDER') ? [] : undefined
  }
}

function sameItems(a: readonly Item[], b: readonly Item[]): boolean {
  return a.length === b.length && JSON.stringify(a) === JSON.stringify(b)
}
