import type { Plan } from '../../src/folder/plan.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'

/** Reorders what a plan says before it is done, and leaves some of it out, as if it had failed. */
export class Shuffler {
  #last: Pick<Plan, 'publish' | 'apply'> = { publish: [], apply: [] }

  constructor(private readonly random: SeededRandom) {}

  /** Adds what the last plan said, which has been done already. */
  repeat(plan: Plan): void {
    const { publish, apply } = plan
    plan.publish = [...publish, ...this.#last.publish]
    plan.apply = [...apply, ...this.#last.apply]
    this.#last = { publish, apply }
  }

  shuffle(plan: Plan): void {
    const share = this.random.pick([0, 0.3, 0.7, 1])
    plan.publish = this.#some(plan.publish, share)
    plan.apply = this.#some(plan.apply, this.random.pick([0, 0.3, 0.7, 1]))
  }

  #some<T>(actions: readonly T[], share: number): T[] {
    const kept = actions.filter(() => this.random.float() < share)
    return kept.sort(() => this.random.float() - 0.5)
  }
}
