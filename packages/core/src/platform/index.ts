/** Names that platform packages (`node`, `browser`, `relay`) build on. Apps use `@peerfold/core`. */
export { checkLength, decryptFailed } from '../crypto/arguments.js'
export { CHUNK_KEY_PURPOSE, chunkKey, SEAL_OVERHEAD } from '../crypto/chunk-key.js'
export { isStrictSignature } from '../crypto/ed25519.js'
export { createWebCrypto, type WebCryptoInit } from '../crypto/web-crypto.js'
export * from './system-clock.js'
export * from './system-random.js'
