import { joinPath } from '../folder/disk-tree.js'
import { type NameRules, projectNames, withSuffix } from '../folder/names.js'
import type { AbortOptions } from '../ports/abort.js'
import type { ItemId } from '../ports/ids.js'
import { ROOT_ITEM, type TreeReader } from '../tree/types.js'
import { type ExportFile, HISTORY, stampOf } from './layout.js'
import type { ExportReport, ExportSource } from './types.js'

/** A path of the past: what lay there, and what below. Where a file made way for a folder, both. */
interface Place {
  items: ItemId[]
  below: Map<string, Place>
}

/** Every version of every file, in a folder named as the file is, or was when it was removed. */
export async function* layOutHistory(
  source: Pick<ExportSource, 'transact' | 'history'>,
  rules: NameRules,
  renamed: ExportReport['renamed'],
  options?: AbortOptions,
): AsyncGenerator<ExportFile> {
  const { value: root } = await source.transact((tree) => collect(tree, source.history, options), options)
  yield* layOutBelow(root, '', HISTORY)

  async function* layOutBelow(place: Place, path: string, target: string): AsyncGenerator<ExportFile> {
    const versions = []
    for (const item of place.items)
      for await (const version of source.history.versions(item, options))
        versions.push({ item: `version/${version.id}`, name: nameOf(path, version), version })
    const folders = [...place.below.keys()].map((name) => ({ item: `below/${name}`, name }))
    const names = projectNames([...folders, ...versions], rules, false)
    for (const { item, version } of versions)
      yield { path, target: joinPath(target, names.get(item) as string), version }
    for (const { item, name } of folders) {
      const at = { path: joinPath(path, name), as: joinPath(target, names.get(item) as string) }
      if (names.get(item) !== name) renamed.push(at)
      yield* layOutBelow(place.below.get(name) as Place, at.path, at.as)
    }
  }
}

/** `docs/a.txt` → `20261122T191534Z-3.912.5.txt`, so that programs know what it is. */
function nameOf(path: string, version: Parameters<typeof stampOf>[0]): string {
  return stampOf(version) + withSuffix(path.slice(path.lastIndexOf('/') + 1), '', 0)
}

async function collect(
  tree: TreeReader,
  history: ExportSource['history'],
  options?: AbortOptions,
): Promise<Place> {
  const root: Place = { items: [], below: new Map() }
  await collectBelow(ROOT_ITEM, root)
  for await (const { item, path } of history.removed(options)) placeAt(root, path).items.push(item)
  return root

  async function collectBelow(parent: ItemId, place: Place): Promise<void> {
    for await (const { item, kind, name } of tree.children(parent, options)) {
      const at = placeAt(place, [name])
      if (kind === 'file') at.items.push(item)
      else await collectBelow(item, at)
    }
  }
}

function placeAt(root: Place, path: readonly string[]): Place {
  let place = root
  for (const name of path) {
    let next = place.below.get(name)
    if (next === undefined) {
      next = { items: [], below: new Map() }
      place.below.set(name, next)
    }
    place = next
  }
  return place
}
