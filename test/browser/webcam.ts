/** A webcam for Chromium: a film of three scenes, a few seconds each, over and over. */
import { writeFileSync } from "node:fs"
import type { Page } from "playwright-core"

const [WIDTH, HEIGHT] = [320, 240]
const RATE = 5 // frames per second
/** Of one scene. */
const SECONDS = 6

/** Y, U and V, each 0 to 255, of the point (x, y) of a frame. */
type Colour = readonly [y: number, u: number, v: number]

const red: Colour = [90, 100, 220]
const green: Colour = [140, 60, 60]
const blue: Colour = [60, 220, 100]
const grey: Colour = [200, 128, 128]

/** What moves in each scene, by the number of its frame. */
const scenes: ReadonlyArray<(x: number, y: number, frame: number) => Colour> = [
  (x, y, frame) => (Math.hypot(x - 130 - 2 * frame, y - 120) < 70 ? red : grey),
  (x, _, frame) => (Math.floor((x + 5 * frame) / 30) % 2 === 0 ? green : grey),
  (x, y, frame) => ((Math.floor((x + 3 * frame) / 40) + Math.floor(y / 40)) % 2 === 0 ? blue : grey)
]

/** Three classes, in the order of the scenes. */
export const sceneNames = ["disc", "stripes", "checks"] as const

/** YUV4MPEG2 with 4:2:0: one U and V for four points. */
const frameOf = (scene: (typeof scenes)[number], frame: number): Uint8Array => {
  const points = WIDTH * HEIGHT
  const bytes = new Uint8Array(points * 1.5)
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const [luma, u, v] = scene(x, y, frame)
      bytes[y * WIDTH + x] = luma
      const at = points + (y >> 1) * (WIDTH / 2) + (x >> 1)
      bytes[at] = u
      bytes[at + points / 4] = v
    }
  }
  return bytes
}

/** Writes the film, and gives the flags of a browser that has it for a camera, whose use everyone allows. */
export const webcam = (file: string): ReadonlyArray<string> => {
  const frames = scenes.flatMap((scene) =>
    Array.from({ length: SECONDS * RATE }, (_, frame) => [Buffer.from("FRAME\n"), frameOf(scene, frame)])
  )
  const head = Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F${RATE}:1 Ip A1:1 C420jpeg\n`)
  writeFileSync(file, Buffer.concat([head, ...frames.flat()]))
  return [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    `--use-file-for-fake-video-capture=${file}`
  ]
}

/** The scene that the page's camera shows: by the colour that it has the most of. */
export const sceneOn = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const video = document.querySelector("video")
    if (video === null || video.videoWidth === 0) return -1
    const canvas = document.createElement("canvas")
    canvas.width = canvas.height = 32
    const context = canvas.getContext("2d", { willReadFrequently: true })!
    context.drawImage(video, 0, 0, 32, 32)
    const { data } = context.getImageData(0, 0, 32, 32)
    const sums = [0, 1, 2].map((channel) => data.reduce((sum, value, i) => (i % 4 === channel ? sum + value : sum), 0))
    return sums.indexOf(Math.max(...sums))
  })

/** Waits until a scene begins; it is shown for some seconds then. */
export const sceneBegins = async (page: Page, scene: number): Promise<void> => {
  while ((await sceneOn(page)) === scene) await Bun.sleep(50)
  while ((await sceneOn(page)) !== scene) await Bun.sleep(50)
}
