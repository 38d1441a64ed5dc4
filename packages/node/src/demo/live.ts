import type { DemoDevice, Line } from './device.js'
import type { DemoDrive } from './drive.js'
import { bringUpPair } from './pair.js'
import type { DemoRelay } from './relay.js'

const ARROWS: Record<string, string> = { published: '→', applied: '←' }

export interface LiveOptions {
  drive: DemoDrive
  interrupted: Promise<void>
  print: (line: string) => void
}

/** Runs both devices until interrupted and shows what happens to the files that a person puts into the folders. */
export async function showLive(
  laptop: DemoDevice,
  desktop: DemoDevice,
  relays: DemoRelay[],
  { drive, interrupted, print }: LiveOptions,
): Promise<number> {
  for (const device of [laptop, desktop]) device.onLine((line) => showLine(device, line, print))
  const ready = Promise.all([bringUpPair(laptop, desktop, relays), drive.start()]).then(() => true)
  const paired = await Promise.race([ready, interrupted])
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
  await Promise.race([inviteBrowsers(laptop, drive, print), interrupted])
  return 0
}

/** One link after the other, each for one browser: the next when that one was used, or has expired. */
async function inviteBrowsers(
  laptop: DemoDevice,
  drive: DemoDrive,
  print: (line: string) => void,
): Promise<never> {
  for (let shown = true; shown; ) {
    shown = false
    await laptop.runWatched((line) => {
      if (typeof line.ticket !== 'string') return
      shown = true
      print('The same files in a browser, with one click (for one browser, within ten minutes):')
      print(`  ${drive.joinUrl(line.ticket)}`)
      print('')
    }, 'invite')
  }
  throw new Error('the laptop gives no tickets any more')
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
