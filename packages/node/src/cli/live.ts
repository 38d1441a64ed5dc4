import type { Live, Status } from '@peerfold/core'
import type { Service } from '../service/service.js'
import type { CommandContext } from './context.js'
import { printable } from './printable.js'
import { formatBytes } from './progress.js'

const ARROWS = { published: '↑', applied: '↓' } as const

/** Prints what happens to files as it happens. @returns a function that stops it */
export function showActivity(context: CommandContext, service: Service): () => void {
  return service.onActivity((workspace, activity) => {
    if (context.json) {
      context.printJson({ type: 'activity', workspace, ...activity })
      return
    }
    const from = activity.from === undefined ? '' : `${activity.from} → `
    const size =
      activity.action === 'create' || activity.action === 'edit' ? `  ${formatBytes(activity.bytes)}` : ''
    context.print(
      `${ARROWS[activity.direction]} ${activity.action.padEnd(8)} ${printable(from + activity.path)}${size}`,
    )
  })
}

/** Prints peers that come and go and workspaces that change state. @returns a function that stops it */
export function showStatusChanges(context: CommandContext, status: Live<Status>): () => void {
  const said = new Map<string, string>()
  const say = (key: string, text: string, fact: object) => {
    if (said.get(key) === text) return
    said.set(key, text)
    if (context.json) context.printJson(fact)
    else context.print(printable(text))
  }
  return status.subscribe(({ peers, workspaces, problem }) => {
    for (const peer of peers) {
      const { id, name, connected, via } = peer
      if (!connected && !said.has(id)) continue
      say(id, connected ? `${name} connected (${via})` : `${name} disconnected`, { type: 'peer', peer })
    }
    for (const workspace of workspaces) {
      const { id, name, state, error } = workspace
      const text =
        error === undefined
          ? `${name}: ${state}`
          : `${name}: ${state}: ${error.code}: ${error.message} — ${error.hint}`
      say(id, text, { type: 'state', workspace: id, name, state, error })
    }
    if (problem !== undefined)
      say('problem', `${problem.code}: ${problem.message} — ${problem.hint}`, { type: 'problem', ...problem })
  })
}
