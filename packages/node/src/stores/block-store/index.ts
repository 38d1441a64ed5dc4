export { type FileBlockStoreInit, openFileBlockStore } from './file-block-store.js'
