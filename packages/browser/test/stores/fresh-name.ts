let count = 0

/** A database name that no other test of this page has used. */
export function freshName(): string {
  return `test-${performance.timeOrigin}-${count++}`
}
