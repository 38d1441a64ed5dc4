/** The merged tree, for those who compose a device, for benchmarks and for tests of platforms. */
export { createTree, type MergedIndex, type TreeInit } from './tree.js'
export { ROOT_ITEM, type Tree, type TreeEntry, type TreeTransaction } from './types.js'
