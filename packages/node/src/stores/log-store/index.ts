export { type FileLogStoreInit, openFileLogStore } from './file-log-store.js'
