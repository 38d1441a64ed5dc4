/** The libp2p adapter of the `Network` port, for platform packages: they add transports and discovery. */
export { type CreateNetworkInit, createNetwork, type NetworkPlatform } from './create-network.js'
export { privateKeyFromSeed } from './private-key.js'
