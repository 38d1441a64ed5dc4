import { lookup } from 'mrmime'

/** What a browser shows without running anything in it. */
const PASSIVE = /^(audio\/|video\/|image\/(?!svg)|font\/|text\/plain|application\/pdf)/

/**
 * Files come from anybody that shares the workspace. Opened as a page, one must neither run scripts nor stand on the app's origin, whose storage
 * it could read. Browsers' own viewers for what is passive would not work in a sandbox, and run no scripts of the file's.
 */
const SANDBOX =
  "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; form-action 'none'"

/** By the name's extension alone: the bytes are not looked at, by the browser neither. */
export function contentType(path: string): string {
  const type = lookup(path) ?? 'application/octet-stream'
  return type.startsWith('text/') ? `${type}; charset=utf-8` : type
}

export interface FileHeadersInit {
  path: string
  version: string
  /** Bytes that are sent. */
  length: number
  download: boolean
}

export function fileHeaders({ path, version, length, download }: FileHeadersInit): Headers {
  const type = contentType(path)
  const headers = new Headers({
    'Content-Type': type,
    'Content-Length': String(length),
    'Accept-Ranges': 'bytes',
    ETag: `"${version}"`,
    // Decrypted bytes are for the page that asked, not for a cache on disk.
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
  })
  if (!PASSIVE.test(type)) headers.set('Content-Security-Policy', SANDBOX)
  if (download) headers.set('Content-Disposition', attachment(path.split('/').at(-1) ?? ''))
  return headers
}

/** RFC 6266: the name in UTF-8 (RFC 8187), and what old browsers show instead. */
function attachment(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_')
  return `attachment; filename="${plain}"; filename*=UTF-8''${encodeExtended(name)}`
}

/** RFC 8187 allows fewer characters than URLs do. */
function encodeExtended(name: string): string {
  return encodeURIComponent(name).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
