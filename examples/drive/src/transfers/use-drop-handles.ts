import { type RefObject, useCallback, useEffect, useRef } from 'react'

type Handles = ReadonlyArray<Promise<FileSystemHandle | null>>

/** Not in every browser, nor in its types. */
interface HandleItem {
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>
}

/** The handles of what was last dropped on an element: browsers give them only while the event lasts. */
export function useDropHandles(root: RefObject<HTMLElement | null>): () => Handles {
  const handles = useRef<Handles>([])
  useEffect(() => {
    const element = root.current
    const listen = ({ dataTransfer }: DragEvent) => {
      handles.current = [...(dataTransfer?.items ?? [])].flatMap((item) => {
        const handle = item.kind === 'file' ? (item as HandleItem).getAsFileSystemHandle?.() : undefined
        return handle === undefined ? [] : [handle]
      })
    }
    element?.addEventListener('drop', listen, { capture: true })
    return () => element?.removeEventListener('drop', listen, { capture: true })
  }, [root])
  return useCallback(() => handles.current, [])
}
