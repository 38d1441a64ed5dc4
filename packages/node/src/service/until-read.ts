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
 * @throws {PeerfoldError} why not, when the folder can't be synced, or nothing is left but what can't be read or stored: that is tried again for as long as the folder is synced
 */
export async function untilRead(folder: FolderSync, signal: AbortSignal): Promise<void> {
  const stuck = new AbortController()
  let looking = false
  let unread: FolderIssue | undefined
  const look = async (status: FolderStatus): Promise<void> => {
    if (status.error !== undefined) stuck.abort(describeFailure(folder, status.error))
    unread = status.issues.find(({ code }) => LASTING.has(code))
    if (looking) return
    looking = true
    const reason = await findReason(folder, status).finally(() => {
      looking = false
    })
    if (reason !== undefined) stuck.abort(describeIssue(folder, reason))
  }
  const stop = folder.on('status', (status) => void look(status).catch(() => {}))
  try {
    await folder.settled({ signal: AbortSignal.any([signal, stuck.signal]) })
    // What lies in a folder that can't be listed is not known, and so not waited for.
    if (unread !== undefined) throw describeIssue(folder, unread)
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

function describeIssue(folder: FolderSync, { path, code, message }: FolderIssue): PeerfoldError {
  return describeFailure(folder, { code, message: `${path}: ${message}` })
}

function describeFailure(
  { directory }: FolderSync,
  { code, message }: { code: string; message: string },
): PeerfoldError {
  const { hint } = new PeerfoldError(code as ErrorCode, '')
  return new PeerfoldError(code as ErrorCode, message, {
    hint: `${hint} ${directory} was added: \`peerfold start\` tries again.`,
  })
}
