/**
 * Small pictures of files, on this device only, sealed: the disk holds nothing of a file's content in the clear. The key cannot be exported, it
 * lies beside them as the browser keeps it.
 */
export interface ThumbnailStore {
  get(key: string): Promise<Blob | undefined>
  put(key: string, picture: Blob): Promise<void>
}

const DATABASE = 'drive/thumbnails'
const PICTURES = 'pictures'
const KEYS = 'keys'
/** About 20 KB each. */
const MAX_PICTURES = 4_000
/** So many of the oldest go at once when there are too many. */
const EVICTED = 400

interface Sealed {
  iv: Uint8Array<ArrayBuffer>
  bytes: ArrayBuffer
  type: string
  /** Milliseconds since 1970, when it was made. */
  made: number
}

export async function openThumbnailStore(): Promise<ThumbnailStore> {
  const database = await openDatabase()
  const key = await loadKey(database)
  return {
    async get(name) {
      const sealed = await done<Sealed | undefined>(read(database, PICTURES).get(name))
      if (sealed === undefined) return undefined
      const bytes = await crypto.subtle.decrypt(cipher(sealed.iv, name), key, sealed.bytes)
      return new Blob([bytes], { type: sealed.type })
    },
    async put(name, picture) {
      const iv = crypto.getRandomValues(new Uint8Array(12))
      const bytes = await crypto.subtle.encrypt(cipher(iv, name), key, await picture.arrayBuffer())
      const sealed: Sealed = { iv, bytes, type: picture.type, made: Date.now() }
      await done(write(database, PICTURES).put(sealed, name))
      if ((await done(read(database, PICTURES).count())) > MAX_PICTURES) await evict(database)
    },
  }
}

/** The name is authenticated, too: no picture can be passed off as another's. */
function cipher(iv: Uint8Array<ArrayBuffer>, name: string): AesGcmParams {
  return { name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(name) }
}

function openDatabase(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1)
  request.onupgradeneeded = () => {
    request.result.createObjectStore(PICTURES).createIndex('made', 'made')
    request.result.createObjectStore(KEYS)
  }
  return done(request)
}

async function loadKey(database: IDBDatabase): Promise<CryptoKey> {
  const fresh = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, [
    'encrypt',
    'decrypt',
  ])
  // In one transaction: two tabs that begin at once must not make two keys.
  const keys = write(database, KEYS)
  const known = await done<CryptoKey | undefined>(keys.get('key'))
  if (known !== undefined) return known
  await done(keys.put(fresh, 'key'))
  return fresh
}

async function evict(database: IDBDatabase): Promise<void> {
  const pictures = write(database, PICTURES)
  const cursor = pictures.index('made').openCursor()
  let left = EVICTED
  await new Promise<void>((resolve, reject) => {
    cursor.onerror = () => reject(cursor.error)
    cursor.onsuccess = () => {
      const at = cursor.result
      if (at === null || left === 0) return resolve()
      left--
      at.delete()
      at.continue()
    }
  })
}

function read(database: IDBDatabase, store: string): IDBObjectStore {
  return database.transaction(store).objectStore(store)
}

function write(database: IDBDatabase, store: string): IDBObjectStore {
  return database.transaction(store, 'readwrite').objectStore(store)
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}
