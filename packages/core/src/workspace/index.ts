/** Parts of a workspace's face, for packages that offer the same face from elsewhere. Small: pulls in no engine. */

export { createFileBody, readStream } from './body.js'
export { formatPath, parsePath } from './path.js'
