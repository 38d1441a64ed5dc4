import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from 'playwright'

/** What a screen reader or a keyboard would stumble over in what a page shows now: axe's serious and critical findings, one line each. */
export async function seriousBarriers(page: Page): Promise<string[]> {
  // Colours that are still on their way are not those that stay; what was just opened sets out with the next frame.
  await page.evaluate(async () => {
    for (let frame = 0; frame < 2; frame++) await new Promise((resolve) => requestAnimationFrame(resolve))
    const ending = document
      .getAnimations()
      .filter(({ effect }) => effect?.getTiming().iterations !== Infinity)
    await Promise.allSettled(ending.map(({ finished }) => finished))
  })
  const { violations } = await new AxeBuilder({ page }).analyze()
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' ')}`)
}
