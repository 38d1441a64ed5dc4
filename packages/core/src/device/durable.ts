import type { AbortOptions } from '../ports/abort.js'
import type { CopyHolder } from '../workspace/types.js'
import { type CopiesParts, holdersOf, ownCopy } from './copies.js'
import type { WorkspaceRuntime } from './workspace-runtime.js'

export interface DurableParts extends CopiesParts {
  /** Resolves when somebody may hold more than before. */
  changed(options?: AbortOptions): Promise<void>
}

/** Waits until so many machines, this one included, hold all that is in a workspace. */
export async function durable(
  parts: DurableParts,
  workspace: WorkspaceRuntime,
  copies: number,
  options?: AbortOptions,
): Promise<CopyHolder[]> {
  await workspace.content.flush(options)
  for (;;) {
    const holders = holdersOf(parts, workspace)
    if (holders.length + ownCopy(parts, workspace) >= copies) return holders
    await parts.changed(options)
  }
}
