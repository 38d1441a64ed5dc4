import type { Conflict, Workspace } from '@peerfold/core'
import { baseName, freeName, joinPath, parentPath, splitExtension } from './names.js'

/**
 * Ends a conflict with every content kept: the primary one in its place, each other beside it, named after its device. The copies come first:
 * nothing is lost when it stops in between.
 */
export async function keepBoth(workspace: Workspace, conflict: Conflict, signal: AbortSignal): Promise<void> {
  const [primary, ...others] = conflict.versions
  if (primary === undefined) return
  const folder = parentPath(conflict.path)
  const taken = new Set<string>()
  for await (const { name } of workspace.list(folder, { signal })) taken.add(name)
  for (const { id, deviceName, mtime } of others) {
    const [stem, extension] = splitExtension(baseName(conflict.path))
    const name = freeName(`${stem} (${nameable(deviceName ?? 'other device')})${extension}`, taken)
    taken.add(name)
    const body = workspace.read(conflict.path, { version: id, signal }).stream()
    await workspace.write(joinPath(folder, name), body, { mtime, signal })
  }
  await workspace.resolve(conflict.path, { version: primary.id }, { signal })
}

/** Devices may be called anything. */
function nameable(name: string): string {
  return name.replace(/[/\0]/g, '-').slice(0, 80)
}
