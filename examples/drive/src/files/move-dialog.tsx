import type { Item, Workspace } from '@peerfold/core'
import { ChevronRight, Folder, HardDrive } from 'lucide-react'
import { useCallback, useEffect, useState } from 'react'
import {
  Button as AriaButton,
  Collection,
  type Key,
  Tree,
  TreeItem,
  TreeItemContent,
} from 'react-aria-components'
import { Button } from '../app/controls.js'
import { Dialog } from '../app/dialog.js'
import { count } from '../app/format.js'
import { sayFailed } from '../app/toasts.js'
import styles from './move-dialog.module.css'
import { baseName, isWithin, parentPath } from './names.js'
import { sortItems } from './sort.js'

export interface MoveDialogProps {
  workspace: Workspace
  items: readonly Item[]
  onMove: (folder: string) => void
  onClose: () => void
}

/** The root has no name of its own, and a key must not be empty. */
const ROOT = '/'

/** Chooses the folder to move items to. */
export default function MoveDialog({ workspace, items, onMove, onClose }: MoveDialogProps) {
  const from = parentPath(items[0]?.path ?? '')
  const [chosen, setChosen] = useState<string>()
  const { childrenOf, load } = useFolderTree(workspace)
  const [expanded, setExpanded] = useState<Set<Key>>(() => new Set(ancestorsOf(from)))
  const moved = new Set(items.filter(({ kind }) => kind === 'folder').map(({ path }) => path))
  const what = items.length === 1 ? `“${items[0]?.name}”` : count(items.length, 'item')

  useEffect(() => {
    for (const key of expanded) load(key === ROOT ? '' : String(key))
  }, [expanded, load])

  const nodeOf = (path: string) => (
    <FolderNode
      path={path}
      name={path === '' ? workspace.name : baseName(path)}
      childrenOf={childrenOf}
      hidden={(folder) => [...moved].some((each) => isWithin(folder, each))}
    />
  )
  return (
    <Dialog
      title={`Move ${what}`}
      onClose={onClose}
      actions={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button
            look="primary"
            isDisabled={chosen === undefined || chosen === from}
            onPress={() => {
              if (chosen !== undefined) onMove(chosen)
              onClose()
            }}
          >
            Move here
          </Button>
        </>
      }
    >
      <Tree
        aria-label="Folders"
        className={styles.tree}
        selectionMode="single"
        selectionBehavior="replace"
        disallowEmptySelection
        selectedKeys={chosen === undefined ? [] : [chosen === '' ? ROOT : chosen]}
        onSelectionChange={(keys) => {
          const [key] = keys === 'all' ? [] : keys
          if (key !== undefined) setChosen(key === ROOT ? '' : String(key))
        }}
        expandedKeys={expanded}
        onExpandedChange={setExpanded}
      >
        {nodeOf('')}
      </Tree>
    </Dialog>
  )
}

interface FolderNodeProps {
  path: string
  name: string
  childrenOf: (path: string) => readonly string[] | undefined
  hidden: (path: string) => boolean
}

function FolderNode({ path, name, childrenOf, hidden }: FolderNodeProps) {
  const children = childrenOf(path)
  const shown = children?.filter((child) => !hidden(child)) ?? []
  return (
    <TreeItem
      id={path === '' ? ROOT : path}
      textValue={name}
      className={styles.node}
      hasChildItems={children === undefined || shown.length > 0}
    >
      <TreeItemContent>
        {({ level, hasChildItems }) => (
          <span className={styles.content} style={{ paddingLeft: (level - 1) * 18 }}>
            {hasChildItems ? (
              <AriaButton slot="chevron" className={styles.chevron}>
                <ChevronRight size={15} aria-hidden />
              </AriaButton>
            ) : (
              <span className={styles.chevron} />
            )}
            {path === '' ? <HardDrive size={16} aria-hidden /> : <Folder size={16} aria-hidden />}
            <span className={styles.label}>{name}</span>
          </span>
        )}
      </TreeItemContent>
      <Collection items={shown.map((child) => ({ id: child, path: child }))} dependencies={[childrenOf]}>
        {(child) => (
          <FolderNode path={child.path} name={baseName(child.path)} childrenOf={childrenOf} hidden={hidden} />
        )}
      </Collection>
    </TreeItem>
  )
}

/** The folders below each folder, listed when it is opened. */
function useFolderTree(workspace: Workspace) {
  const [known, setKnown] = useState<ReadonlyMap<string, readonly string[]>>(new Map())
  const load = useCallback(
    (path: string) => {
      listFolders(workspace, path).then(
        (folders) => setKnown((before) => new Map(before).set(path, folders)),
        (error: unknown) => sayFailed('The folder could not be listed', error),
      )
    },
    [workspace],
  )
  const childrenOf = useCallback((path: string) => known.get(path), [known])
  return { childrenOf, load }
}

async function listFolders(workspace: Workspace, path: string): Promise<string[]> {
  const folders: Item[] = []
  for await (const item of workspace.list(path)) if (item.kind === 'folder') folders.push(item)
  return sortItems(folders, { key: 'name', descending: false }).map((item) => item.path)
}

/** The keys of a folder and of all around it. */
function ancestorsOf(path: string): string[] {
  const keys = [ROOT]
  for (let at = path; at !== ''; at = parentPath(at)) keys.push(at)
  return keys
}
