/** Changes a stored value behind the store's back, as a failing disk would: no lock, no checks. */
export async function changeStored(
  name: string,
  key: string,
  change: (value: Uint8Array) => Uint8Array | undefined,
): Promise<void> {
  const db = await done(indexedDB.open(`peerfold/${name}`))
  const values = db.transaction(name, 'readwrite').objectStore(name)
  const at = new TextEncoder().encode(key)
  const changed = change(await done<Uint8Array>(values.get(at)))
  if (changed === undefined) await done(values.delete(at))
  else await done(values.put(changed, at))
  db.close()
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

export function flipLastBit(value: Uint8Array): Uint8Array {
  const changed = value.length === 0 ? new Uint8Array([0]) : value.slice()
  changed[changed.length - 1]! ^= 1
  return changed
}
