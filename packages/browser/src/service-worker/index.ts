/** What a service worker and its pages need to serve files of a device. Small: no engine comes with it. */

export { type RegisterFilesOptions, registerFiles } from './register.js'
export { type ServeFilesOptions, type ServiceWorkerScope, serveFiles } from './serve-files.js'
export { type FileUrlOptions, fileUrl } from './urls.js'
