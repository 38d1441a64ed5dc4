import { parseJoin } from '../app/route.js'

/** The ticket in what was pasted: itself, or the link to a drive that carries it. */
export function ticketIn(text: string): string {
  const trimmed = text.trim()
  const fragment = trimmed.indexOf('#join=')
  return fragment === -1 ? trimmed : (parseJoin(trimmed.slice(fragment)) ?? '')
}
