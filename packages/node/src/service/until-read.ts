import {
  type ErrorCode,
  type FolderIssue,
  type FolderStatus,
  type FolderSync,
  PeerfoldError,
} from '@peerfold/core'

/** Why a file may stay out of the workspace until somebody does something. */
const LASTING = new Set(['STORE_FULL', 'IO_FAILED'])

/**
 * Resolves when everything in a folder is in its workspace.
 *
 * @throws {PeerfoldError} why not, when nothing is left but what can't be read or stored: that is tried again for as long as the folder is synced
 */
export async function untilRead(folder: FolderSync, signal: AbortSignal): Promise<void> {
  const stuck = new AbortController()
  let looking = false
  const look = async (status: FolderStatus): Promise<void> => {
    if (looking) return
    looking = true
    const reason = await findReason(folder, status)
    if (reason !== undefined) stuck.abort(describeIssue(folder, reason))
    looking = false
  }
  const stop = folder.on('status', (status) => void look(status).catch(() => {}))
  try {
    await folder.settled({ signal: AbortSignal.any([signal, stuck.signal]) })
  } finally {
    stop()
  }
}

/** A plan costs a look at everything: it is asked for only where all that is left may be stuck. */
async function findReason(
  folder: FolderSync,
  { issues, pending }: FolderStatus,
): Promise<FolderIssue | undefined> {
  const full = issues.find(({ code }) => code === 'STORE_FULL')
  const lasting = new Map(issues.filter(({ code }) => LASTING.has(code)).map((issue) => [issue.path, issue]))
  if (full !== undefined || pending.files === 0 || lasting.size < pending.files) return full
  const { publish } = await folder.plan()
  const reasons = publish.map(({ path }) => lasting.get(path))
  return reasons.every((reason) => reason !== undefined) ? reasons[0] : undefined
}

function describeIssue({ directory }: FolderSync, { path, code, message }: FolderIssue): PeerfoldError {
  const { hint } = new PeerfoldError(code as ErrorCode, '')
  return new PeerfoldError(code as ErrorCode, `${path}: ${message}`, {
    hint: `${hint} ${directory} was added: \`peerfold start\` tries again.`,
  })
}
