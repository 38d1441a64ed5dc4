export { type FileBlockStore, type FileBlockStoreInit, openFileBlockStore } from './file-block-store.js'
