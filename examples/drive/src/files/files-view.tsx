import type { Item, Workspace } from '@peerfold/core'
import { FolderOpen, FolderX } from 'lucide-react'
import { lazy, type ReactNode, type RefObject, Suspense, useCallback, useMemo, useRef, useState } from 'react'
import type { DropItem } from 'react-aria-components'
import { Button } from '../app/controls.js'
import { EmptyState, Waiting } from '../app/empty-state.js'
import { FailureNotice } from '../app/failure-notice.js'
import { navigate } from '../app/route.js'
import { useNarrow, useTouch } from '../app/use-media.js'
import { useStored } from '../app/use-stored.js'
import { useTitle } from '../app/use-title.js'
import { type FolderView, useFolder } from '../device/use-folder.js'
import { collectDrop } from '../transfers/collect-drop.js'
import { pickFiles, pickFolder, takeFiles } from '../transfers/pick.js'
import { useDownload } from '../transfers/use-download.js'
import { useDropHandles } from '../transfers/use-drop-handles.js'
import { useUpload } from '../transfers/use-upload.js'
import styles from './files-view.module.css'
import { ItemDialogs, type OpenDialog } from './item-dialogs.js'
import { ItemList, type View } from './item-list.js'
import { type ItemAction, ItemMenu, type MenuAnchor } from './item-menu.js'
import { canPreview } from './kinds.js'
import { baseName, parentPath } from './names.js'
import { PathBar } from './path-bar.js'
import { type Sort, type SortKey, sortItems } from './sort.js'
import { SortHeader } from './sort-header.js'
import { FolderToolbar, SelectionToolbar } from './toolbar.js'
import { useItemActions } from './use-item-actions.js'
import { useItemsDragAndDrop } from './use-items-dnd.js'
import { useSelection } from './use-selection.js'
import { useShortcuts } from './use-shortcuts.js'

const Preview = lazy(() => import('../preview/preview.js'))

export interface FilesViewProps {
  workspace: Workspace
  path: string
  /** Whether the items take the focus: after one went here from another folder. */
  focus?: boolean
  /** Before and after the path: on phones these are not beside the files. */
  start?: ReactNode
  end?: ReactNode
}

/** A folder: where it is, what is in it, and what can be done with it. */
export function FilesView({ workspace, path, focus = false, start, end }: FilesViewProps) {
  const folder = useFolder(workspace, path)
  const [view, setView] = useStored<View>('drive/view', (stored) => (stored === 'grid' ? 'grid' : 'list'))
  const [sort, setSort] = useSort()
  const items = useMemo(() => sortItems(folder.items, sort), [folder.items, sort])
  const selection = useSelection(items)
  const [menu, setMenu] = useState<{ items: Item[]; anchor: MenuAnchor }>()
  const [dialog, setDialog] = useState<OpenDialog>()
  const [previewed, setPreviewed] = useState<Item>()
  const narrow = useNarrow()
  const touch = useTouch()
  const actions = useItemActions(workspace)
  const download = useDownload(workspace)
  const { upload, dialog: question } = useUpload(workspace)
  const fileInput = useRef<HTMLInputElement>(null)
  const folderInput = useRef<HTMLInputElement>(null)
  const root = useRef<HTMLDivElement>(null)
  const dropHandles = useDropHandles(root)

  const openItem = (item: Item) => {
    if (item.kind === 'folder') navigate({ workspace: workspace.id, path: item.path })
    else if (canPreview(item)) setPreviewed(item)
    else setDialog({ kind: 'unknown', item })
  }
  const act = (action: ItemAction, chosen: readonly Item[], anchor?: MenuAnchor) => {
    const [item] = chosen
    if (item === undefined) return
    if (action === 'open') openItem(item)
    else if (action === 'download') void download(chosen)
    else if (action === 'remove') void actions.remove(chosen).then(selection.clear)
    else if (action === 'move') setDialog({ kind: 'move', items: chosen })
    else if (action === 'rename') setDialog({ kind: 'rename', item, anchor: anchorOf(item, anchor) })
    else setDialog({ kind: action, item })
  }
  const { selected } = selection
  const openMenu = useCallback(
    (item: Item, anchor: MenuAnchor) => {
      setMenu({ items: selected.includes(item) ? selected : [item], anchor })
    },
    [selected],
  )
  const drops = {
    onMove: (paths: string[], target: string) => void actions.move(paths, target),
    onFiles: (dropped: DropItem[], target = path) => void upload(collectDrop(dropped, dropHandles()), target),
  }
  const dragAndDropHooks = useItemsDragAndDrop({ workspace, items, isDisabled: touch, ...drops })
  useShortcuts(root, (key) => {
    if (selected.length === 0) return
    if (key === 'Delete') act('remove', selected)
    else if (key === 'F2' && selected.length === 1) act('rename', selected)
    else if (key === 'Escape') selection.clear()
  })
  useTitle(path === '' ? workspace.name : baseName(path))
  const taken = useMemo(() => new Set(folder.items.map(({ name }) => name)), [folder.items])

  const toolbar =
    selected.length > 1 || (touch && selected.length > 0) ? (
      <SelectionToolbar
        selected={selected.length}
        onAction={(action) => act(action, selected)}
        onClear={selection.clear}
      />
    ) : (
      <FolderToolbar
        view={view}
        onView={setView}
        onUploadFiles={() => void upload(pickFiles(fileInput.current), path)}
        onUploadFolder={() => void upload(pickFolder(folderInput.current), path)}
        onNewFolder={() => setDialog({ kind: 'folder', parent: path, taken })}
      />
    )

  return (
    <div ref={root} className={styles.view}>
      <header className={styles.header}>
        {start}
        <PathBar workspace={workspace.id} name={workspace.name} path={path} narrow={narrow} drops={drops} />
        {narrow ? end : toolbar}
      </header>
      <div className={styles.second}>
        {view === 'list' && items.length > 0 && <SortHeader sort={sort} onSort={setSort} />}
        {narrow && toolbar}
      </div>
      <div className={styles.items}>
        <ItemList
          label={`Content of ${path === '' ? workspace.name : path}`}
          view={view}
          narrow={narrow}
          focus={focus}
          workspace={workspace}
          items={items}
          selected={selection.keys}
          onSelect={selection.select}
          onOpen={openItem}
          onMenu={openMenu}
          dragAndDropHooks={dragAndDropHooks}
          empty={
            <Nothing
              folder={folder}
              onUp={
                path === '' ? undefined : () => navigate({ workspace: workspace.id, path: parentPath(path) })
              }
              onUpload={() => void upload(pickFiles(fileInput.current), path)}
              touch={touch}
            />
          }
        />
      </div>
      <UploadInput inputRef={fileInput} kind="files" onFiles={(collected) => void upload(collected, path)} />
      <UploadInput
        inputRef={folderInput}
        kind="folder"
        onFiles={(collected) => void upload(collected, path)}
      />
      {menu !== undefined && (
        <ItemMenu
          {...menu}
          onAction={(action) => act(action, menu.items, menu.anchor)}
          onClose={() => setMenu(undefined)}
        />
      )}
      {question}
      {dialog !== undefined && (
        <ItemDialogs
          dialog={dialog}
          workspace={workspace}
          actions={actions}
          taken={taken}
          onDownload={(item) => void download([item])}
          onClose={() => setDialog(undefined)}
        />
      )}
      {previewed !== undefined && (
        <Suspense>
          <Preview
            workspace={workspace}
            items={items}
            item={previewed}
            onShow={setPreviewed}
            onClose={() => setPreviewed(undefined)}
          />
        </Suspense>
      )}
    </div>
  )
}

interface NothingProps {
  folder: FolderView
  touch: boolean
  onUp: (() => void) | undefined
  onUpload: () => void
}

/** In place of items. */
function Nothing({ folder, touch, onUp, onUpload }: NothingProps) {
  if (folder.state === 'loading') {
    return (
      <div className={styles.loading}>
        <Waiting>Reading the folder…</Waiting>
      </div>
    )
  }
  if (folder.failure !== undefined) {
    const gone = folder.failure.code === 'NOT_FOUND' || folder.failure.code === 'NOT_A_FOLDER'
    return (
      <EmptyState
        icon={<FolderX size={44} strokeWidth={1.3} aria-hidden />}
        title={gone ? 'This folder is not here any more' : 'This folder cannot be shown'}
        actions={onUp && <Button onPress={onUp}>Go to the folder above</Button>}
      >
        {gone ? (
          <p>It was moved, renamed or deleted, here or on another device.</p>
        ) : (
          <FailureNotice failure={folder.failure} />
        )}
      </EmptyState>
    )
  }
  return (
    <EmptyState
      icon={<FolderOpen size={44} strokeWidth={1.3} aria-hidden />}
      title="Nothing here yet"
      actions={
        <Button look="primary" onPress={onUpload}>
          Upload files
        </Button>
      }
    >
      <p>
        {touch
          ? 'What you add appears on all your devices.'
          : 'Drop files or folders here. They appear on all your devices.'}
      </p>
    </EmptyState>
  )
}

interface UploadInputProps {
  inputRef: RefObject<HTMLInputElement | null>
  kind: 'files' | 'folder'
  onFiles: (collected: Promise<ReturnType<typeof takeFiles>>) => void
}

/** Where browsers without pickers choose. */
function UploadInput({ inputRef, kind, onFiles }: UploadInputProps) {
  return (
    <input
      ref={inputRef}
      type="file"
      multiple
      hidden
      aria-label={kind === 'files' ? 'Files to upload' : 'Folder to upload'}
      data-testid={`upload-${kind}`}
      {...(kind === 'folder' && { webkitdirectory: '' })}
      onChange={({ currentTarget }) => onFiles(Promise.resolve(takeFiles(currentTarget)))}
    />
  )
}

function useSort(): [Sort, (sort: Sort) => void] {
  const [stored, setStored] = useStored<string>('drive/sort', (value) => value ?? 'name')
  const sort = useMemo((): Sort => {
    const [key = 'name', direction] = stored.split(' ')
    const known: SortKey = key === 'modified' || key === 'size' ? key : 'name'
    return { key: known, descending: direction === 'descending' }
  }, [stored])
  return [sort, ({ key, descending }) => setStored(descending ? `${key} descending` : key)]
}

/** Where an item is on the screen; else where its menu was. */
function anchorOf(item: Item, fallback: MenuAnchor = { x: 80, y: 120 }): MenuAnchor {
  const rect = document.querySelector(`[data-key="${CSS.escape(item.id)}"]`)?.getBoundingClientRect()
  return rect === undefined ? fallback : { x: rect.left + 40, y: rect.bottom - 6 }
}
