import type { DemoDevice, Line } from './device.js'
import { bringUpPair } from './pair.js'
import type { DemoRelay } from './relay.js'

const ARROWS: Record<string, string> = { published: '→', applied: '←' }

/** Runs both devices until interrupted and shows what happens to the files that a person puts into the folders. */
export async function showLive(
  laptop: DemoDevice,
  desktop: DemoDevice,
  relays: DemoRelay[],
  { interrupted, print }: { interrupted: Promise<void>; print: (line: string) => void },
): Promise<number> {
  for (const device of [laptop, desktop]) device.onLine((line) => showLine(device, line, print))
  const paired = await Promise.race([bringUpPair(laptop, desktop, relays).then(() => true), interrupted])
  if (paired === undefined) return 0
  print('')
  print(
    'Two devices of one person, end-to-end encrypted, and a relay that cannot read any of it. Put files into either folder:',
  )
  print(`  laptop   ${laptop.folder}   (process ${laptop.pid})`)
  print(`  desktop  ${desktop.folder}   (process ${desktop.pid})`)
  for (const { address, pid } of relays) print(`  relay    ${address}   (process ${pid})`)
  print('Stop with Ctrl-C.')
  print('')
  await interrupted
  return 0
}

function showLine(device: DemoDevice, line: Line, print: (line: string) => void): void {
  const name = device.name.padEnd(7)
  if (line.type === 'activity') {
    const from = line.from === undefined ? '' : `${String(line.from)} → `
    print(
      `${name} ${ARROWS[String(line.direction)] ?? ' '} ${String(line.action).padEnd(8)} ${from}${String(line.path)}`,
    )
  } else if (line.type === 'state') {
    const error = line.error as { code: string; message: string; hint: string } | undefined
    print(
      `${name}   ${String(line.state)}${error === undefined ? '' : `: ${error.code}: ${error.message} — ${error.hint}`}`,
    )
  } else if (line.type === 'problem') {
    print(`${name}   ${String(line.code)}: ${String(line.message)} — ${String(line.hint)}`)
  }
}
