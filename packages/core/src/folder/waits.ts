import type { AbortOptions } from '../ports/abort.js'
import type { FolderContext } from './context.js'
import type { PlannedAction } from './explain.js'
import type { Fetcher } from './fetcher.js'

/** Why something is not done in the next round. Times are milliseconds since 1970. */
export interface Wait {
  /** Path on disk. */
  path: string
  /**
   * `rest`: a file that is being written to, or was, a moment ago; `rules`: ignore rules that are being written, or are on their way here;
   * `content`: bytes that another device has to give.
   */
  for: 'rest' | 'rules' | 'content'
  /** Its path in the workspace, for `content`. */
  from?: string
  /** Where that is known. */
  since?: number
  /** When it is looked at again, if nothing happens before. */
  until?: number
}

type Publish = Extract<PlannedAction, { direction: 'publish' }>
type Apply = Extract<PlannedAction, { direction: 'apply' }>

const MAX_WAITS = 20

/** What holds up changes of the disk: `due` and `since` are on the monotonic clock. */
export interface Holdups {
  rulesDue: number
  due(action: Publish): number
  since(path: string): number | undefined
}

/** What actions of a plan wait for. */
export async function listWaits(
  folder: Pick<FolderContext, 'clock' | 'merged' | 'source'>,
  fetcher: Pick<Fetcher, 'isReady' | 'since'>,
  holdups: Holdups,
  actions: readonly PlannedAction[],
  options?: AbortOptions,
): Promise<Wait[]> {
  const waits: Wait[] = []
  for (const action of actions) {
    if (waits.length >= MAX_WAITS) break
    const wait =
      action.direction === 'publish'
        ? waitsForDisk(folder, holdups, action)
        : await waitsForContent(folder, fetcher, action, options)
    if (wait !== undefined) waits.push(wait)
  }
  return waits
}

function waitsForDisk(
  { clock }: Pick<FolderContext, 'clock'>,
  { due, since, rulesDue }: Holdups,
  action: Publish,
): Wait | undefined {
  const offset = clock.now() - clock.monotonic()
  const now = clock.monotonic()
  const { path } = action
  if (rulesDue > now) return { path, for: 'rules', until: rulesDue + offset }
  const until = due(action)
  if (until <= now) return undefined
  const from = since(path)
  return { path, for: 'rest', until: until + offset, ...(from !== undefined && { since: from + offset }) }
}

async function waitsForContent(
  { merged, source }: Pick<FolderContext, 'merged' | 'source'>,
  fetcher: Pick<Fetcher, 'isReady' | 'since'>,
  action: Apply,
  options?: AbortOptions,
): Promise<Wait | undefined> {
  if (action.do !== 'create' && action.do !== 'edit') return undefined
  const entry = merged.get(action.item)
  const head = entry?.heads[0]
  if (entry === undefined || head === undefined || fetcher.isReady(head)) return undefined
  if (await source.available(head.content, options)) return undefined
  const since = fetcher.since(head)
  return {
    path: action.path,
    for: 'content',
    from: merged.path(entry),
    ...(since !== undefined && { since }),
  }
}
