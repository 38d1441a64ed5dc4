/** Names that platform packages (`node`, `browser`, `relay`) build on. Apps use `@peerfold/core`. */

export { blockCid, blockDigest, isBlockCid } from '../content/block-cid.js'
export { type ChunkIndex, type ChunkIndexInit, createChunkIndex } from '../content/chunk-index.js'
export { CHUNK_SIZES, Chunker, type ChunkSizes } from '../content/chunker.js'
export { createGearTable, type GearTable } from '../content/gear.js'
export { type ReadContentOptions, readContent } from '../content/read-content.js'
export type { BlockSink, BlockSource, ByteSource, ContentKeys, ContentRef } from '../content/types.js'
export { identifyContent, type WriteContentOptions, writeContent } from '../content/write-content.js'
export { checkLength, decryptFailed } from '../crypto/arguments.js'
export { CHUNK_KEY_PURPOSE, chunkKey, SEAL_OVERHEAD } from '../crypto/chunk-key.js'
export { isStrictSignature } from '../crypto/ed25519.js'
export { createWebCrypto, type WebCryptoInit } from '../crypto/web-crypto.js'
export type { Disk, Home, PeerfoldComponents, WorkspaceStores } from '../device/components.js'
export { type CreatePeerfoldOptions, createPeerfold } from '../device/peerfold.js'
export type { MailboxPlace, PollRelay } from '../device/relays/rest.js'
export type { BlocksRequest, FetchBlocks } from '../exchange/fetch-blocks.js'
export type { BlockDisk, SegmentFile, SegmentFiles } from '../stores/packed-blocks/block-disk.js'
export {
  openPackedBlockStore,
  type PackedBlockStoreInit,
} from '../stores/packed-blocks/packed-block-store.js'
export * from './system-clock.js'
export * from './system-random.js'
