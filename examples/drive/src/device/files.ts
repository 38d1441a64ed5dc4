import { fileUrl, registerFiles } from '@peerfold/browser'
import { useEffect, useState } from 'react'
import { describeFailure, type Failure } from './failure.js'

/** The folder of the page: the service worker, and the files that it serves, lie below. */
const base = new URL('./', globalThis.location.href).pathname

let started: Promise<ServiceWorkerRegistration> | undefined

/** Starts the service worker, which streams files; once for the page. After a failure it is tried anew. */
export function startFiles(): Promise<ServiceWorkerRegistration> {
  // A build has it as one classic script, which more browsers know.
  const type = import.meta.env.DEV ? 'module' : 'classic'
  started ??= registerFiles(`${base}service-worker.js`, { type }).catch((error: unknown) => {
    started = undefined
    throw error
  })
  return started
}

export interface FileAddress {
  workspace: string
  path: string
  version?: string | undefined
  download?: boolean
}

/** Where a file's content is, as soon as the service worker is there to serve it. */
export async function addressOf({
  workspace,
  path,
  version,
  download = false,
}: FileAddress): Promise<string> {
  await startFiles()
  return fileUrl(workspace, path, { base, download, ...(version !== undefined && { version }) })
}

export interface FileUrl {
  url?: string
  failure?: Failure
}

export function useFileUrl({ workspace, path, version }: FileAddress): FileUrl {
  const [found, setFound] = useState<FileUrl>({})
  useEffect(() => {
    let shown = true
    addressOf({ workspace, path, version }).then(
      (url) => shown && setFound({ url }),
      (error: unknown) => shown && setFound({ failure: describeFailure(error) }),
    )
    return () => {
      shown = false
    }
  }, [workspace, path, version])
  return found
}
