// Development only; goes when openPeerfold of @peerfold/browser is here.
import type { Peerfold, Workspace } from '@peerfold/core'
import { createTestPeers } from '@peerfold/core/testing'

export async function openDevDevice(): Promise<Peerfold> {
  const peers = await createTestPeers(2)
  const [page, laptop] = peers.devices as [Peerfold, Peerfold]
  const fresh = await peers.add()
  Object.assign(globalThis, { dev: { peers, page, laptop, fresh, seed } })
  if (location.search.includes('fresh')) return fresh
  const home = await page.workspaces.create('Home')
  await page.workspaces.create('Family photos and everything that we ever scanned')
  await seed(home)
  await page.settled()
  const theirs = await laptop.workspaces.open('Home')
  if (location.search.includes('conflict')) {
    const hub = peers.hub as unknown as { partition?: unknown }
    void hub
    await Promise.all([
      home.write('Documents/Letter to the landlord.txt', 'from the page'),
      theirs.write('Documents/Letter to the landlord.txt', 'from the laptop, a little longer'),
    ])
  }
  return page
}

async function picture(hue: number, width = 800, height = 600): Promise<Blob> {
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D
  const sky = context.createLinearGradient(0, 0, 0, height)
  sky.addColorStop(0, `hsl(${hue} 60% 72%)`)
  sky.addColorStop(1, `hsl(${hue + 40} 70% 88%)`)
  context.fillStyle = sky
  context.fillRect(0, 0, width, height)
  for (let layer = 0; layer < 4; layer++) {
    context.fillStyle = `hsl(${hue + 90 + layer * 14} 34% ${52 - layer * 10}%)`
    context.beginPath()
    context.moveTo(0, height)
    for (let x = 0; x <= width; x += 8) {
      context.lineTo(x, height * (0.45 + layer * 0.13) + Math.sin(x / (70 + hue / 5) + layer * 2 + hue) * 34)
    }
    context.lineTo(width, height)
    context.fill()
  }
  return await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.9 })
}

async function seed(home: Workspace): Promise<void> {
  const many = Number(/many=(\d+)/.exec(location.search)?.[1] ?? 0)
  for (const folder of ['Documents', 'Photos', 'Music', 'Empty folder']) await home.mkdir(folder)
  for (let i = 0; i < 14; i++) await home.write(`Photos/IMG_${2040 + i}.jpg`, await picture(i * 26))
  await home.write(
    'Photos/Panorama of the whole valley at sunrise, taken from the old bridge near the station.jpg',
    await picture(20, 1600, 400),
  )
  await home.write('Documents/Letter to the landlord.txt', 'Dear Ms Weber,\n\nthe heating …')
  await home.write(
    'Documents/Letter to the landlord.txt',
    'Dear Ms Weber,\n\nthe heating works again. Thank you.',
  )
  await home.write('Readme.md', '# Home\n\nAll that we keep.\n')
  await home.write('Budget 2026.csv', 'month,amount\nJan,1200\n')
  await home.write(
    'Tax return 2025 – final version (signed, scanned, really the last one) v7.pdf',
    new Uint8Array(340_000),
  )
  await home.write('archive.tar.gz', new Uint8Array(2_400_000))
  await home.write('Music/Theme.mp3', new Uint8Array(1_000_000))
  if (many > 0) {
    await home.transact(async (tx) => {
      for (let i = 0; i < many; i++) await tx.write(`Many/file-${i}.txt`, `${i}`)
    })
  }
}
