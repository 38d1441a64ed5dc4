import type { ContentRef } from '../content/types.js'
import type { ShardUpdate } from '../log/types.js'
import { decodeRecord, unpackContent } from './record.js'
import { decodeUpdate } from './update.js'

/** What the updates of a valid commit name as contents of files, in their order. */
export function contentsOf(updates: readonly ShardUpdate[]): ContentRef[] {
  return updates.flatMap(({ update }) =>
    decodeUpdate(update).records.flatMap((text) => {
      const record = decodeRecord(text)
      return record.type === 'c' ? [unpackContent(record.content)] : []
    }),
  )
}
