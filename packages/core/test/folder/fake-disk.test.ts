import { describe, test } from 'vitest'
import { createFakeDisk } from '../../src/testing/fake-disk.js'
import { fileSystemSuite } from '../../src/testing/file-system-suite.js'

fileSystemSuite({ describe, test }, async () => {
  const files = createFakeDisk()
  files.user.mkdir('/root')
  return { files, root: '/root', close: async () => {} }
})
