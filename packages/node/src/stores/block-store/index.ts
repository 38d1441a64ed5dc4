export { type Disk, nodeDisk } from './disk.js'
export { type FileBlockStore, type FileBlockStoreInit, openFileBlockStore } from './file-block-store.js'
