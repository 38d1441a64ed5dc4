import { useSyncExternalStore } from 'react'

/** Where one is: a folder of a workspace, in the URL's fragment, so that any static server will do and nothing of it reaches one. */
export interface Route {
  workspace: string
  /** '' is the root. */
  path: string
}

/** `#/<workspace>/<path>`; undefined for anything else. */
export function parseRoute(hash: string): Route | undefined {
  if (!hash.startsWith('#/')) return undefined
  const [workspace, ...names] = hash
    .slice(2)
    .split('/')
    .map((part) => decodePart(part))
  if (workspace === undefined || workspace === '') return undefined
  return { workspace, path: names.filter((name) => name !== '').join('/') }
}

export function formatRoute({ workspace, path }: Route): string {
  const parts = [workspace, ...(path === '' ? [] : path.split('/'))]
  return `#/${parts.map(encodeURIComponent).join('/')}`
}

const DELETED = '#deleted/'

/** The workspace whose deleted files are shown: `#deleted/<workspace>`. Beside the folders, which may have any name. */
export function parseDeleted(hash: string): string | undefined {
  if (!hash.startsWith(DELETED)) return undefined
  const workspace = decodePart(hash.slice(DELETED.length))
  return workspace === '' ? undefined : workspace
}

export function formatDeleted(workspace: string): string {
  return DELETED + encodeURIComponent(workspace)
}

/** The ticket in a link that joins: `#join=<ticket>`. */
export function parseJoin(hash: string): string | undefined {
  if (!hash.startsWith('#join=')) return undefined
  const ticket = decodePart(hash.slice('#join='.length))
  return ticket === '' ? undefined : ticket
}

export function joinLink(page: string, ticket: string): string {
  return `${page.replace(/#.*$/s, '')}#join=${encodeURIComponent(ticket)}`
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function subscribe(listener: () => void): () => void {
  globalThis.addEventListener('hashchange', listener)
  return () => globalThis.removeEventListener('hashchange', listener)
}

const currentHash = () => globalThis.location.hash

export function useHash(): string {
  return useSyncExternalStore(subscribe, currentHash)
}

export function navigate(route: Route): void {
  globalThis.location.hash = formatRoute(route)
}

/** Takes a used ticket out of the address bar and the history: it is a secret until it expires. */
export function forgetHash(): void {
  history.replaceState(null, '', globalThis.location.pathname + globalThis.location.search)
  globalThis.dispatchEvent(new HashChangeEvent('hashchange'))
}
