import { type Peerfold, PeerfoldError, type Workspace } from '@peerfold/core'
import { optionalText } from './params.js'

/** The workspace named, or the only one. */
export async function selectWorkspace(pf: Peerfold, params: Record<string, unknown>): Promise<Workspace> {
  const wanted = optionalText(params, 'workspace')
  if (wanted !== undefined) return await pf.workspaces.open(wanted)
  const all = await pf.workspaces.list()
  const [only] = all
  if (only === undefined)
    throw new PeerfoldError('WORKSPACE_NOT_FOUND', 'there is no workspace yet', {
      hint: '`peerfold add FOLDER` makes one.',
    })
  if (all.length > 1)
    throw new PeerfoldError('WORKSPACE_AMBIGUOUS', `there are ${all.length} workspaces`, {
      hint: `Name one with --workspace: ${all.map(({ name }) => name).join(', ')}.`,
    })
  return await pf.workspaces.open(only.id)
}
