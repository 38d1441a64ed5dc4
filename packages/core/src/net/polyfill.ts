/**
 * What libp2p 3 calls and Node 20 lacks. Installed when a node is composed, and by importing nothing else: `core` has no side effects.
 */
export function installPolyfills(): void {
  install(Promise, 'withResolvers', withResolvers)
  install(Set.prototype, 'difference', difference)
}

function install(target: object, name: string, value: unknown): void {
  if (name in target) return
  Object.defineProperty(target, name, { value, writable: true, configurable: true })
}

function withResolvers(this: PromiseConstructor) {
  let resolve: unknown
  let reject: unknown
  const promise = new this((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

function difference(this: Set<unknown>, other: { has(value: unknown): boolean }): Set<unknown> {
  return new Set([...this].filter((value) => !other.has(value)))
}
