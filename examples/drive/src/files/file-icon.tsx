import type { Item } from '@peerfold/core'
import {
  File,
  FileArchive,
  FileImage,
  FileMusic,
  FileText,
  FileVideoCamera,
  Folder,
  Link,
  type LucideIcon,
} from 'lucide-react'
import styles from './file-icon.module.css'
import { type FileKind, kindOf } from './kinds.js'

const ICONS: Record<FileKind, LucideIcon> = {
  image: FileImage,
  video: FileVideoCamera,
  audio: FileMusic,
  pdf: FileText,
  text: FileText,
  archive: FileArchive,
  other: File,
}

export function FileIcon({ item, size }: { item: Pick<Item, 'name' | 'type'>; size: number }) {
  if (item.type === 'folder') return <Folder size={size} className={styles.folder} aria-hidden />
  if (item.type === 'symlink') return <Link size={size} className={styles.other} aria-hidden />
  const kind = kindOf(item)
  const Icon = ICONS[kind]
  return <Icon size={size} strokeWidth={1.6} className={styles[kind]} aria-hidden />
}
