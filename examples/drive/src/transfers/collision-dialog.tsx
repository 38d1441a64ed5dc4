import { Button } from '../app/controls.js'
import { Dialog } from '../app/dialog.js'
import { count } from '../app/format.js'
import type { Answer } from './collisions.js'

export interface CollisionDialogProps {
  paths: readonly string[]
  onAnswer: (answer: Answer) => void
  onClose: () => void
}

/** Asks what becomes of files that are there already. */
export function CollisionDialog({ paths, onAnswer, onClose }: CollisionDialogProps) {
  const title =
    paths.length === 1
      ? `“${paths[0]}” is here already`
      : `${count(paths.length, 'file is', 'files are')} here already`
  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <>
          <Button onPress={() => onAnswer('skip')}>Skip</Button>
          <Button onPress={() => onAnswer('both')}>Keep both</Button>
          <Button look="primary" onPress={() => onAnswer('replace')}>
            New version
          </Button>
        </>
      }
    >
      <p>
        As a new version, the old content stays among the versions of the file. To keep both, the new one gets
        a number in its name.
      </p>
    </Dialog>
  )
}
