import { PeerfoldError } from '@peerfold/core'
import { createStore, get, set, type UseStore } from 'idb-keyval'

/** A device's secret as it lies in IndexedDB: sealed under a key that no script can read, this page's neither. */
interface Wrapped {
  key: CryptoKey
  iv: Uint8Array<ArrayBuffer>
  sealed: ArrayBuffer
}

const SECRET = 'secret'
const SECRET_BYTES = 32
const IV_BYTES = 12

/**
 * The 32 bytes that seal the journal of a home, made when they are missing. They are wrapped with a non-extractable WebCrypto key: who copies the
 * browser's database gets no key that works elsewhere, though a script in this origin can use it here.
 *
 * @throws {PeerfoldError} `HOME_INVALID` when what lies there cannot be opened; `IO_FAILED`
 */
export async function loadSecret(home: string): Promise<Uint8Array> {
  const store = createStore(`peerfold/${home}/secret`, 'secret')
  const wrapped = await readWrapped(store)
  if (wrapped === undefined) return makeSecret(store)
  try {
    const { key, iv, sealed } = wrapped
    return new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, sealed))
  } catch (cause) {
    throw new PeerfoldError('HOME_INVALID', `the key of ${home} is damaged`, { cause })
  }
}

async function readWrapped(store: UseStore): Promise<Wrapped | undefined> {
  try {
    return await get<Wrapped>(SECRET, store)
  } catch (cause) {
    throw new PeerfoldError('IO_FAILED', 'the browser does not let this page keep anything', {
      cause,
      hint: 'Private windows and blocked site data have no storage.',
    })
  }
}

async function makeSecret(store: UseStore): Promise<Uint8Array> {
  const secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES))
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
  const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, secret)
  await set(SECRET, { key, iv, sealed } satisfies Wrapped, store)
  return secret
}
