import { createStore, delMany, entries, setMany } from 'idb-keyval'
import type { StoredUpload } from './types.js'
import type { UploadStore } from './upload-queue.js'

/** An upload, and the page that is at it. */
interface Owned {
  page: string
  upload: StoredUpload
}

const lockOf = (page: string) => `drive/page/${page}`

export interface PageUploads extends UploadStore {
  /** What pages left that are gone, or were closed in between; from now on it is this page's. */
  takeOver(): Promise<StoredUpload[]>
}

const paths = new Intl.Collator(undefined, { numeric: true })

let opened: PageUploads | undefined

/** One for the page. */
export function uploadStore(): PageUploads {
  opened ??= openUploadStore()
  return opened
}

/**
 * The uploads that are not saved elsewhere yet, in IndexedDB. Several pages may upload at once: each holds a lock as long as it lives, and takes over
 * only what belongs to none.
 */
function openUploadStore(): PageUploads {
  const store = createStore('drive/uploads', 'uploads')
  const page = crypto.randomUUID()
  // Held until the page goes.
  void navigator.locks.request(lockOf(page), () => new Promise<never>(() => {}))
  const put = (uploads: readonly StoredUpload[]) =>
    setMany(
      uploads.map((upload): [string, Owned] => [upload.id, { page, upload }]),
      store,
    )
  return {
    put,
    remove: (ids) => delMany([...ids], store),
    takeOver: () =>
      navigator.locks.request('drive/uploads', async () => {
        const { held = [] } = await navigator.locks.query()
        const alive = new Set(held.map(({ name }) => name).filter((name) => name !== lockOf(page)))
        const owned = (await entries<string, Owned>(store)).map(([, value]) => value)
        const left = owned.filter((each) => !alive.has(lockOf(each.page))).map(({ upload }) => upload)
        await put(left)
        // They lie by their ids, which are random.
        return left.sort((a, b) => paths.compare(a.path, b.path))
      }),
  }
}
