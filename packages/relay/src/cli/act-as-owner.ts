import { stat } from 'node:fs/promises'

/**
 * Root that looks into a relay's data would leave files there that the relay's own user cannot open: from here on this process is that user. Where there
 * is no such directory, or it is root's own, nothing changes.
 */
export async function actAsOwner(data: string): Promise<void> {
  if (process.getuid?.() !== 0) return
  const owner = await stat(data).catch(() => undefined)
  if (owner === undefined || owner.uid === 0) return
  process.setgroups?.([])
  process.setgid?.(owner.gid)
  process.setuid?.(owner.uid)
}
