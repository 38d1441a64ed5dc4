import type { Item, Workspace } from '@peerfold/core'
import { ChevronLeft, ChevronRight, Download, X } from 'lucide-react'
import { useEffect } from 'react'
import { Dialog, Heading, Modal, ModalOverlay } from 'react-aria-components'
import { IconButton } from '../app/controls.js'
import { formatBytes } from '../app/format.js'
import { ItemName } from '../files/item-name.js'
import { canPreview } from '../files/kinds.js'
import { saveFile } from '../transfers/save-file.js'
import { Content } from './content.js'
import styles from './preview.module.css'

export interface PreviewProps {
  workspace: Workspace
  /** What is around the item, in the order in which it is shown. */
  items: readonly Item[]
  item: Item
  onShow: (item: Item) => void
  onClose: () => void
}

/** A file over the whole page; arrow keys go to the next one. */
export default function Preview({ workspace, items, item, onShow, onClose }: PreviewProps) {
  const shown = items.filter((each) => each.kind === 'file' && canPreview(each))
  const index = shown.findIndex(({ id }) => id === item.id)
  // The item as it is now; as it was when it is gone meanwhile.
  const present = shown[index] ?? item
  const go = (step: number) => {
    const next = shown[index + step]
    if (next !== undefined) onShow(next)
  }
  useArrowKeys(go)
  return (
    <ModalOverlay
      isOpen
      isDismissable
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
      className={styles.scrim}
    >
      <Modal className={styles.modal}>
        <Dialog className={styles.dialog}>
          <header className={styles.header}>
            <Heading slot="title" className={styles.title}>
              <ItemName name={present.name} />
              <span className={styles.detail}>
                {formatBytes(present.size)}
                {index >= 0 && shown.length > 1 && ` · ${index + 1} of ${shown.length}`}
              </span>
            </Heading>
            <IconButton label="Download" onPress={() => saveFile(workspace.id, present.path)}>
              <Download size={18} aria-hidden />
            </IconButton>
            <IconButton label="Close" onPress={onClose}>
              <X size={19} aria-hidden />
            </IconButton>
          </header>
          <div className={styles.stage} data-testid="preview">
            <Content key={present.version ?? present.id} workspace={workspace} item={present} />
          </div>
          {index > 0 && (
            <IconButton label="Previous file" className={styles.previous} onPress={() => go(-1)}>
              <ChevronLeft size={24} aria-hidden />
            </IconButton>
          )}
          {index >= 0 && index < shown.length - 1 && (
            <IconButton label="Next file" className={styles.next} onPress={() => go(1)}>
              <ChevronRight size={24} aria-hidden />
            </IconButton>
          )}
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}

function useArrowKeys(go: (step: number) => void): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      // Players use the arrows themselves.
      if (event.target instanceof HTMLMediaElement || event.defaultPrevented) return
      if (event.key === 'ArrowRight') go(1)
      else if (event.key === 'ArrowLeft') go(-1)
    }
    document.addEventListener('keydown', listen)
    return () => document.removeEventListener('keydown', listen)
  }, [go])
}
