import type { Item } from '@peerfold/core'
import { splitExtension } from './names.js'

export type FileKind = 'image' | 'video' | 'audio' | 'pdf' | 'text' | 'archive' | 'other'

/** What browsers can show, by extension. */
const EXTENSIONS: Record<Exclude<FileKind, 'other'>, string> = {
  image: 'jpg jpeg png gif webp avif svg bmp ico',
  video: 'mp4 m4v webm mov ogv mkv',
  audio: 'mp3 m4a aac ogg oga opus wav flac weba',
  pdf: 'pdf',
  text:
    'txt md markdown csv tsv log json jsonc yaml yml toml ini conf env xml html htm css scss js mjs cjs jsx ts mts tsx ' +
    'vue svelte py rb rs go java kt c h cc cpp hpp cs swift sh bash zsh fish ps1 bat sql graphql proto tex rst adoc diff patch srt vtt',
  archive: 'zip gz tgz bz2 xz zst 7z rar tar',
}

const KINDS = new Map<string, FileKind>(
  Object.entries(EXTENSIONS).flatMap(([kind, extensions]) =>
    extensions.split(' ').map((extension) => [`.${extension}`, kind as FileKind] as const),
  ),
)

/** Files without an extension that are text by custom. */
const TEXT_NAMES = new Set([
  'readme',
  'license',
  'makefile',
  'dockerfile',
  '.gitignore',
  '.npmrc',
  '.editorconfig',
])

export function kindOfName(name: string): FileKind {
  if (TEXT_NAMES.has(name.toLowerCase())) return 'text'
  return KINDS.get(splitExtension(name)[1].toLowerCase()) ?? 'other'
}

export function kindOf(item: Pick<Item, 'name' | 'type'>): FileKind {
  return item.type === 'file' ? kindOfName(item.name) : 'other'
}

export function canPreview(item: Pick<Item, 'name' | 'type'>): boolean {
  const kind = kindOf(item)
  return kind !== 'other' && kind !== 'archive'
}

/** Larger images are not worth what decoding them takes, for a picture of a few hundred pixels. */
const MAX_IMAGE_BYTES = 64 * 1024 * 1024

export function hasThumbnail(item: Pick<Item, 'name' | 'type' | 'size'>): boolean {
  const kind = kindOf(item)
  return kind === 'video' || (kind === 'image' && item.size <= MAX_IMAGE_BYTES)
}
