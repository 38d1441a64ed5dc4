/** @import { Page } from 'playwright' */

/**
 * A landscape, as JPEG.
 *
 * @param {Page} page @param {number} hue degrees
 */
export async function drawPicture(page, hue, width = 1200, height = 900) {
  const address = await page.evaluate(
    ([hue, width, height]) => {
      const canvas = document.createElement('canvas')
      canvas.width = width
      canvas.height = height
      const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'))
      const sky = context.createLinearGradient(0, 0, 0, height)
      sky.addColorStop(0, `hsl(${hue} 55% 68%)`)
      sky.addColorStop(1, `hsl(${hue + 40} 75% 90%)`)
      context.fillStyle = sky
      context.fillRect(0, 0, width, height)
      context.fillStyle = `hsl(${hue + 40} 90% 94% / 80%)`
      context.beginPath()
      context.arc(width * (0.25 + (hue % 100) / 200), height * 0.3, height * 0.08, 0, 7)
      context.fill()
      for (let layer = 0; layer < 5; layer++) {
        context.fillStyle = `hsl(${hue + 150 + layer * 8} ${22 + layer * 4}% ${64 - layer * 11}%)`
        context.beginPath()
        context.moveTo(0, height)
        for (let x = 0; x <= width; x += 6) {
          const wave =
            Math.sin(x / (110 - layer * 14) + layer * 2.1 + hue) + 0.4 * Math.sin(x / 37 + hue * layer)
          context.lineTo(x, height * (0.46 + layer * 0.11) + wave * height * 0.035)
        }
        context.lineTo(width, height)
        context.fill()
      }
      return canvas.toDataURL('image/jpeg', 0.9)
    },
    /** @type {const} */ ([hue, width, height]),
  )
  return bytesOf(address)
}

/** A clip of two seconds, as WebM. @param {Page} page */
export async function drawClip(page) {
  const address = await page.evaluate(async () => {
    const canvas = document.createElement('canvas')
    canvas.width = 640
    canvas.height = 360
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'))
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: 'video/webm' })
    /** @type {Blob[]} */
    const pieces = []
    recorder.ondataavailable = ({ data }) => pieces.push(data)
    const stopped = new Promise((resolve) => {
      recorder.onstop = resolve
    })
    recorder.start()
    for (let frame = 0; frame < 60; frame++) {
      context.fillStyle = '#d9ecf5'
      context.fillRect(0, 0, 640, 360)
      for (let layer = 0; layer < 4; layer++) {
        context.fillStyle = `hsl(200 50% ${60 - layer * 12}%)`
        context.beginPath()
        context.moveTo(0, 360)
        for (let x = 0; x <= 640; x += 4) {
          context.lineTo(x, 150 + layer * 45 + 16 * Math.sin(x / 60 + layer + frame / 9))
        }
        context.lineTo(640, 360)
        context.fill()
      }
      await new Promise((resolve) => setTimeout(resolve, 33))
    }
    recorder.stop()
    await stopped
    const reader = new FileReader()
    reader.readAsDataURL(new Blob(pieces))
    await new Promise((resolve) => {
      reader.onload = resolve
    })
    return String(reader.result)
  })
  return bytesOf(address)
}

/** @param {string} address of `data:` */
function bytesOf(address) {
  return new Uint8Array(Buffer.from(address.slice(address.indexOf(',') + 1), 'base64'))
}
