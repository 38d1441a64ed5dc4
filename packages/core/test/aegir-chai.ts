import * as chai from 'chai'
import chaiAsPromised from 'chai-as-promised'

/**
 * Stands in for `aegir/chai`, which the IPFS compliance suites import without depending on it: aegir is their whole build system, and of
 * it they use an `expect` that understands promises, and `true()` where chai has `true`.
 */
chai.use(chaiAsPromised)
chai.use(({ Assertion }) => {
  for (const name of ['ok', 'true', 'false']) {
    Assertion.overwriteProperty(name, (check: () => void) => {
      return function (this: Chai.AssertionStatic) {
        check.call(this)
        return () => this
      }
    })
  }
})

export const { expect } = chai
