import type { Item } from '@peerfold/core'
import { Download } from 'lucide-react'
import { Button } from '../app/controls.js'
import { Dialog } from '../app/dialog.js'
import { formatBytes, formatMoment } from '../app/format.js'

export interface UnknownDialogProps {
  item: Item
  onDownload: () => void
  onClose: () => void
}

/** For files that browsers cannot show. */
export default function UnknownDialog({ item, onDownload, onClose }: UnknownDialogProps) {
  return (
    <Dialog
      title={item.name}
      onClose={onClose}
      actions={
        <>
          <Button onPress={onClose}>Close</Button>
          <Button
            look="primary"
            onPress={() => {
              onDownload()
              onClose()
            }}
          >
            <Download size={16} aria-hidden /> Download
          </Button>
        </>
      }
    >
      <p>Files of this kind cannot be shown in the browser.</p>
      <p>
        {formatBytes(item.size)}
        {item.mtime !== undefined && `, changed ${formatMoment(item.mtime)}`}
      </p>
    </Dialog>
  )
}
