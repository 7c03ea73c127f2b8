/** Images that tests draw themselves: PNG files of a few lines, and folders of three classes that a small model can tell apart. */
import { crc32, deflateSync } from "node:zlib"
import { randomStream } from "../src/numbers/random.ts"

const chunk = (type: string, data: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(12 + data.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, data.length)
  bytes.set(new TextEncoder().encode(type), 4)
  bytes.set(data, 8)
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)))
  return bytes
}

/** Lines of a PNG file of 8 bits, each after its filter. `color`: 0 grey, 2 RGB */
const pngFile = (width: number, height: number, color: 0 | 2, lines: Uint8Array): Uint8Array<ArrayBuffer> => {
  const header = new Uint8Array(13)
  new DataView(header.buffer).setUint32(0, width)
  new DataView(header.buffer).setUint32(4, height)
  header.set([8, color], 8)
  const parts = [
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(lines)),
    chunk("IEND", new Uint8Array(0))
  ]
  return new Uint8Array(Buffer.concat(parts))
}

/** RGB bytes [height, width, 3] as a PNG file. */
export const pngOf = (width: number, height: number, rgb: Uint8Array): Uint8Array<ArrayBuffer> => {
  const lines = new Uint8Array(height * (1 + 3 * width))
  for (let y = 0; y < height; y++) {
    lines.set(rgb.subarray(3 * width * y, 3 * width * (y + 1)), y * (1 + 3 * width) + 1)
  }
  return pngFile(width, height, 2, lines)
}

/** A black image: few bytes, however many pixels. */
export const blackPng = (width: number, height: number): Uint8Array<ArrayBuffer> =>
  pngFile(width, height, 0, new Uint8Array(height * (1 + width)))

/** A file as a row holds it. */
export const dataUri = (png: Uint8Array): string => `data:image/png;base64,${Buffer.from(png).toString("base64")}`

/** What images of the drawn classes show. */
export const drawnClasses = ["cross", "ring", "stripes"] as const
export type DrawnClass = (typeof drawnClasses)[number]

const shows: { readonly [name in DrawnClass]: (x: number, y: number, size: number) => boolean } = {
  cross: (x, y, size) => Math.min(Math.abs(x - y), Math.abs(x + y - size + 1)) < size / 8,
  ring: (x, y, size) => Math.abs(Math.hypot(x - size / 2 + 0.5, y - size / 2 + 0.5) - size / 3) < size / 9,
  stripes: (_, y, size) => Math.floor((4 * y) / size) % 2 === 0
}

/** Image `seed` of a class: bright on dark, with a colour and a noise of its own. */
export const drawn = (name: DrawnClass, seed: number, size = 16): Uint8Array<ArrayBuffer> => {
  const random = randomStream(seed, name)
  const colour = [0, 1, 2].map(() => 160 + 90 * random())
  const rgb = new Uint8Array(3 * size * size)
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const bright = shows[name](x, y, size)
      for (const [channel, own] of colour.entries())
        rgb[3 * (size * y + x) + channel] = (bright ? own : 40) * (0.8 + 0.2 * random())
    }
  }
  return pngOf(size, size, rgb)
}

/** What photos of the photographed classes show: a thing of some colour, size and place before some ground, in some light. */
export const photographed = ["ball", "box", "fence"] as const
export type Photographed = (typeof photographed)[number]

/** Whether a point is of the thing: x and y from its middle, 1 at its edge. */
const things: { readonly [name in Photographed]: (x: number, y: number) => boolean } = {
  ball: (x, y) => Math.hypot(x, y) < 1,
  box: (x, y) => Math.max(Math.abs(x), Math.abs(y)) < 0.9,
  fence: (x, y) => Math.abs(y) < 1.2 && Math.floor(5 * x + 100) % 2 === 0
}

/** Photo `seed` of a class, as a PNG file of `size`². */
export const photo = (name: Photographed, seed: number, size = 120): Uint8Array<ArrayBuffer> => {
  const random = randomStream(seed, "photo", name)
  const between = (least: number, most: number) => least + (most - least) * random()
  const colour = () => [0, 1, 2].map(() => between(20, 235))
  const [thing, ground] = [colour(), colour()]
  const [middleX, middleY, radius] = [between(0.35, 0.65), between(0.35, 0.65), between(0.2, 0.32)]
  const [turn, lightX, lightY] = [between(-0.25, 0.25), between(-0.4, 0.4), between(-0.4, 0.4)]
  const rgb = new Uint8Array(3 * size * size)
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const [fromX, fromY] = [(x / size - middleX) / radius, (y / size - middleY) / radius]
      const [atX, atY] = [
        fromX * Math.cos(turn) - fromY * Math.sin(turn),
        fromX * Math.sin(turn) + fromY * Math.cos(turn)
      ]
      const light = 1 + lightX * (x / size - 0.5) + lightY * (y / size - 0.5)
      for (const [channel, own] of (things[name](atX, atY) ? thing : ground).entries()) {
        rgb[3 * (size * y + x) + channel] = Math.max(0, Math.min(255, own * light + between(-14, 14)))
      }
    }
  }
  return pngOf(size, size, rgb)
}
