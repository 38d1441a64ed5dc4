/** What `@peerfold/relay` builds on: durable stores, cryptography in threads, and the network. Apps use `@peerfold/node`. */

export { loadKey, preparePrivateDirectory } from './home/private-directory.js'
export { createLibp2pNetwork, type Libp2pNetworkInit } from './net/create-libp2p-network.js'
export { openFileBlockStore } from './stores/block-store/index.js'
export { openKeyValue } from './stores/key-value.js'
export { openFileLogStore } from './stores/log-store/index.js'
export { createNodeCrypto } from './workers/node-crypto.js'
