import { createContext, type ReactNode, useContext, useEffect, useState } from 'react'
import { sayFailed } from '../app/toasts.js'
import { usePeerfold } from '../device/context.js'
import { DownloadList } from './download-list.js'
import { UploadQueue } from './upload-queue.js'
import { uploadStore } from './upload-store.js'

export interface Transfers {
  uploads: UploadQueue
  downloads: DownloadList
}

const TransfersContext = createContext<Transfers | undefined>(undefined)

export function useTransfers(): Transfers {
  const transfers = useContext(TransfersContext)
  if (transfers === undefined) throw new Error('there are no transfers above this component')
  return transfers
}

/** The transfers of this page; takes up what an earlier one left. */
export function TransfersProvider({ children }: { children: ReactNode }) {
  const peerfold = usePeerfold()
  const [transfers, setTransfers] = useState<Transfers>()
  useEffect(() => {
    const store = uploadStore()
    const uploads = new UploadQueue({ store, open: (workspace) => peerfold.workspaces.open(workspace) })
    const downloads = new DownloadList()
    store
      .takeOver()
      .then((left) => uploads.restore(left))
      .catch((error: unknown) => sayFailed('What was still to be uploaded is not known', error))
    setTransfers({ uploads, downloads })
    return () => {
      downloads.close()
      void uploads.close()
    }
  }, [peerfold])
  return transfers && <TransfersContext.Provider value={transfers}>{children}</TransfersContext.Provider>
}
