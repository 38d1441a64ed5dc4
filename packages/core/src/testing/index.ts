export * from './assert.js'
export { type BlockStoreFixture, blockStoreSuite } from './block-store-suite.js'
export { cryptoSuite } from './crypto-suite.js'
export { createDeterministicCrypto, type DeterministicCryptoInit } from './deterministic-crypto.js'
export { ED25519_CASES, type Ed25519Case } from './ed25519-cases.js'
export { EDITORS, type Editor, savingSteps } from './fake-disk/editors.js'
export type { DiskEntry, DiskUser, OpenFile } from './fake-disk/user.js'
export { createFakeDisk, type FakeDisk, type FakeDiskInit } from './fake-disk.js'
export { createFakeWorkspace, type FakeSourceOptions, type FakeWorkspace } from './fake-workspace.js'
export { type FileSystemFixture, fileSystemSuite } from './file-system-suite.js'
export { toIpfsBlockstore } from './ipfs-blockstore.js'
export { type KeyValueFixture, keyValueSuite } from './key-value-suite.js'
export { type LogStoreFixture, logStoreSuite, readThroughDamage } from './log-store-suite.js'
export * from './manual-clock.js'
export { MemoryBlockStore, type MemoryBlockStoreInit } from './memory-block-store.js'
export * from './memory-log-store.js'
export * from './memory-network.js'
export * from './network-suite.js'
export type * from './runner.js'
export * from './seeded-random.js'
export {
  createTestPeers,
  type HomeStore,
  MemoryHome,
  type TestPeers,
  type TestPeersInit,
} from './test-peers.js'
export { type WatcherFixture, watcherSuite } from './watcher-suite.js'
