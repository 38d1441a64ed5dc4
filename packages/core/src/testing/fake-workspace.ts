import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create as createDigest } from 'multiformats/hashes/digest'
import type { ByteSource, ContentRef } from '../content/types.js'
import { concatBytes, equalBytes, toHex, toUtf8 } from '../encoding/bytes.js'
import { sha256Now } from '../encoding/derive.js'
import { PeerfoldError } from '../errors.js'
import type { FolderSource } from '../folder/types.js'
import type { ItemId } from '../ports/ids.js'
import {
  type FileMeta,
  type FileVersion,
  ROOT_ITEM,
  type TreeChange,
  type TreeEntry,
  type TreeReader,
  type TreeTransaction,
} from '../tree/types.js'

/**
 * A workspace in memory that several folders can share: one history, every change seen by all at once. The merged tree has the real one's rules
 * for names, heads and removal; what is left out is the log, sealing and concurrency of commits, which folders never see.
 */
export interface FakeWorkspace {
  /** A device's view. Blocks are where they were ingested, until they are fetched. */
  source(options?: FakeSourceOptions): FolderSource
  readonly tree: TreeReader
  transact<T>(change: (tx: TreeTransaction) => Promise<T>): Promise<T>
  /** Stores bytes as some other device's content. */
  content(bytes: Uint8Array): ContentRef
  bytesOf(content: ContentRef): Uint8Array
  /** Every version that ever was, by content in text. */
  readonly history: ReadonlySet<string>
  /** Commits that changed anything. */
  readonly commits: number
}

export interface FakeSourceOptions {
  /** Whether contents of others are here at once. @default true */
  everythingHere?: boolean
  /** Called by `fetch`; resolves when the content has come. */
  onFetch?: (content: ContentRef, signal: AbortSignal | undefined) => Promise<void>
}

interface FakeItem {
  item: ItemId
  kind: 'file' | 'folder'
  parent: ItemId
  name: string
  heads: FileVersion[]
  revision: number
}

export function createFakeWorkspace(id = toHex(sha256Now(toUtf8('fake workspace')))): FakeWorkspace {
  const items = new Map<ItemId, FakeItem>()
  const contents = new Map<string, Uint8Array>()
  const history = new Set<string>()
  const listeners = new Set<(changes: TreeChange[]) => void>()
  let counter = 0
  let commits = 0
  let queue: Promise<unknown> = Promise.resolve()

  const entryOf = (it: FakeItem): TreeEntry => {
    const { item, kind, parent, name, heads } = it
    return {
      item,
      kind,
      parent,
      name,
      recordName: name,
      heads: collapse(heads),
      ghost: false,
      tag: `${it.revision}`,
    }
  }
  const childrenOf = (parent: ItemId) =>
    [...items.values()].filter((it) => it.parent === parent).sort((a, b) => (a.name < b.name ? -1 : 1))
  const child = (parent: ItemId, name: string) => {
    for (const it of items.values()) if (it.parent === parent && it.name === name) return it
    return undefined
  }
  const pathOf = (item: ItemId): string[] | undefined => {
    if (item === ROOT_ITEM) return []
    const it = items.get(item)
    const above = it && pathOf(it.parent)
    return it && above ? [...above, it.name] : undefined
  }
  const root: TreeEntry = entryOf({
    item: ROOT_ITEM,
    kind: 'folder',
    parent: ROOT_ITEM,
    name: '',
    heads: [],
    revision: 0,
  })

  const tree: TreeReader = {
    entry: async (item) => {
      if (item === ROOT_ITEM) return root
      const it = items.get(item)
      return it && entryOf(it)
    },
    lookup: async (path) => {
      let at: ItemId = ROOT_ITEM
      for (const name of path) {
        const next = child(at, name)
        if (next === undefined) return undefined
        at = next.item
      }
      return at === ROOT_ITEM ? root : entryOf(items.get(at)!)
    },
    child: async (parent, name) => {
      const it = child(parent, name)
      return it && entryOf(it)
    },
    async *children(parent) {
      for (const it of childrenOf(parent)) yield entryOf(it)
    },
    path: async (item) => pathOf(item),
  }

  const run = async <T>(
    change: (tx: TreeTransaction) => Promise<T>,
  ): Promise<{ value: T; changed: boolean }> => {
    const before = new Map([...items].map(([item, it]) => [item, { ...it }]))
    const touched = new Set<ItemId>()
    try {
      const value = await change(transaction(touched))
      const changes = [...touched].map((item) => changeOf(item, before.get(item)))
      if (changes.length > 0) {
        commits++
        for (const listener of [...listeners]) queueMicrotask(() => listener(changes))
      }
      return { value, changed: changes.length > 0 }
    } catch (error) {
      items.clear()
      for (const [item, it] of before) items.set(item, it)
      throw error
    }
  }

  const changeOf = (item: ItemId, old: FakeItem | undefined): TreeChange => {
    const now = items.get(item)
    return { item, before: old && entryOf(old), after: now && entryOf(now) }
  }

  const serial = <T>(change: (tx: TreeTransaction) => Promise<T>) => {
    const done = queue.then(() => run(change))
    queue = done.catch(() => {})
    return done
  }

  const transaction = (touched: Set<ItemId>): TreeTransaction => {
    const need = (item: ItemId): FakeItem => {
      const it = items.get(item)
      if (it === undefined) throw new PeerfoldError('NOT_FOUND', item)
      return it
    }
    const change = (it: FakeItem): TreeEntry => {
      it.revision = ++counter
      items.set(it.item, it)
      touched.add(it.item)
      return entryOf(it)
    }
    const place = (parent: ItemId, name: string) => {
      if (parent !== ROOT_ITEM && need(parent).kind !== 'folder')
        throw new PeerfoldError('NOT_A_FOLDER', parent)
      if (name === '' || name.includes('/')) throw new PeerfoldError('NAME_INVALID', name)
      if (child(parent, name) !== undefined) throw new PeerfoldError('ALREADY_EXISTS', name)
    }
    const make = (parent: ItemId, name: string, kind: 'file' | 'folder', heads: FileVersion[]) => {
      place(parent, name)
      const digest = toHex(sha256Now(toUtf8(`${parent}/${name}/${++counter}`))).slice(0, 31)
      return change({ item: digest + (kind === 'file' ? '1' : '0'), kind, parent, name, heads, revision: 0 })
    }
    const version = (content: ContentRef, meta: FileMeta, basedOn: readonly string[]): FileVersion => {
      const stamp = ++counter
      history.add(textOf(contents.get(toHex(content.plain))!))
      return {
        ...meta,
        id: `1.${stamp}`,
        content,
        size: content.size,
        basedOn: [...basedOn],
        stamp,
        time: stamp,
        writer: 1,
        commit: `${stamp}`,
      }
    }
    const removeBelow = (item: ItemId) => {
      for (const below of childrenOf(item)) removeBelow(below.item)
      items.delete(item)
      touched.add(item)
    }
    return {
      ...tree,
      makeFolder: async (parent, name) => {
        const there = child(parent, name)
        return there?.kind === 'folder' ? entryOf(there) : make(parent, name, 'folder', [])
      },
      makeFile: async (parent, name, content, meta) =>
        make(parent, name, 'file', [version(content, meta, [])]),
      writeFile: async (item, content, meta, basedOn) => {
        const it = need(item)
        const replaced = superseded(it.heads, basedOn)
        const mine = version(
          content,
          meta,
          replaced.map((head) => head.id),
        )
        return change({ ...it, heads: [mine, ...it.heads.filter((head) => !replaced.includes(head))] })
      },
      move: async (item, parent, name) => {
        const it = need(item)
        if (it.parent === parent && it.name === name) return entryOf(it)
        for (let at = parent; at !== ROOT_ITEM; at = need(at).parent)
          if (at === item) throw new PeerfoldError('MOVE_INTO_ITSELF', name)
        place(parent, name)
        return change({ ...it, parent, name })
      },
      remove: async (item) => {
        need(item)
        removeBelow(item)
      },
      reassert: async (item) => void change(need(item)),
      touched: () => [...touched],
      draft: async () => undefined,
    }
  }

  const store = (bytes: Uint8Array): ContentRef => {
    const plain = sha256Now(bytes)
    contents.set(toHex(plain), bytes)
    const root = CID.createV1(raw.code, createDigest(0x12, plain))
    return { root, key: new Uint8Array(32), plain, size: bytes.length }
  }

  const source = (options: FakeSourceOptions = {}): FolderSource => {
    const here = new Set<string>()
    const has = (content: ContentRef) => options.everythingHere !== false || here.has(toHex(content.plain))
    return {
      id,
      name: 'fake',
      tree,
      transact: async (change, abort) => {
        abort?.signal?.throwIfAborted()
        const { value, changed } = await serial(change)
        return { value, commit: changed ? `${commits}` : undefined }
      },
      ingest: async (bytes, abort) => {
        const content = store(await gather(bytes, abort?.signal))
        here.add(toHex(content.plain))
        return content
      },
      async *open(content, abort) {
        abort?.signal?.throwIfAborted()
        if (!has(content)) throw new PeerfoldError('BLOCKS_UNAVAILABLE', 'not fetched')
        const bytes = contents.get(toHex(content.plain))!.subarray(abort?.offset ?? 0)
        for (let i = 0; i < bytes.length; i += 65_536) yield bytes.subarray(i, i + 65_536)
      },
      available: async (content) => has(content),
      fetch: async (content, abort) => {
        await options.onFetch?.(content, abort?.signal)
        abort?.signal?.throwIfAborted()
        here.add(toHex(content.plain))
      },
      identify: async (bytes, abort) => {
        const all = await gather(bytes, abort?.signal)
        return { plain: sha256Now(all), size: all.length }
      },
      onChange: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    }
  }

  return {
    source,
    tree,
    transact: async (change) => (await serial(change)).value,
    content: store,
    bytesOf: (content) => contents.get(toHex(content.plain))!,
    history,
    get commits() {
      return commits
    },
  }
}

/** Heads of equal content are one: the first stands for all. */
function collapse(heads: readonly FileVersion[]): FileVersion[] {
  return heads.filter(
    (head, i) => heads.findIndex((other) => equalBytes(other.content.plain, head.content.plain)) === i,
  )
}

/** A version that replaces one head replaces all that it stands for. */
function superseded(heads: readonly FileVersion[], basedOn: readonly string[] | undefined): FileVersion[] {
  if (basedOn === undefined) return [...heads]
  const named = heads.filter((head) => basedOn.includes(head.id))
  return heads.filter((head) => named.some((one) => equalBytes(one.content.plain, head.content.plain)))
}

async function gather(bytes: ByteSource, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of bytes) {
    signal?.throwIfAborted()
    // A copy: the source may reuse its memory.
    pieces.push(piece.slice())
  }
  return concatBytes(...pieces)
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}
