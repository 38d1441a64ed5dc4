export { type FileLogStoreInit, openFileLogStore } from './file-log-store.js'
export type { SegmentFile, SegmentFiles } from './files.js'
