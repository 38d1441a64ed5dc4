export { type OpenPeerfoldOptions, openPeerfold } from './open-peerfold.js'
export { type RegisterFilesOptions, registerFiles } from './service-worker/register.js'
export { type FileUrlOptions, fileUrl } from './service-worker/urls.js'
