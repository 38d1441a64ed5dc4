export interface FileUrlOptions {
  version?: string
  download?: boolean
}

/** Placeholder until @peerfold/browser has it. */
export function fileUrl(
  workspace: string,
  path: string,
  options: FileUrlOptions | '' | undefined = {},
): string {
  const query = new URLSearchParams()
  if (options && options.version) query.set('version', options.version)
  if (options && options.download) query.set('download', '')
  return `./files/${workspace}/${path.split('/').map(encodeURIComponent).join('/')}?${query}`
}
