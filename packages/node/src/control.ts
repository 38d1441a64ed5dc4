/** How commands reach the process that has a home open, and how they say what went wrong. For `@peerfold/relay`; loads no network. */

export { EXIT } from './cli/exit.js'
export { printable } from './cli/printable.js'
export { formatBytes } from './cli/progress.js'
export { refuseEmpty } from './cli/refuse-empty.js'
export { connectControl } from './service/control-client.js'
export { controlPath } from './service/control-path.js'
export { type ControlServer, startControlServer } from './service/control-server.js'
export { describeError, type ErrorDescription } from './service/error-description.js'
export type { OperationIo, ServiceCaller } from './service/operation.js'
