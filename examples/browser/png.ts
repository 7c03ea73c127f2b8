/** A PNG's greys in Bun, which has no canvas: 28 × 28 with 8 bits a channel, as the page saves its drawing. */
import { inflateSync } from "node:zlib"
import { type Greys, SIDE } from "./digit-image.ts"

/** by colour type: grey, colour, grey and alpha, colour and alpha */
const channelsOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 4: 2, 6: 4 }

/** The first channel, which in a grey image is the grey. Throws where it is another kind of image. */
export const greysOfPng = (file: Uint8Array): Greys => {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (file.length < 33 || view.getUint32(0) !== 0x89504e47) throw new Error("found no PNG; expected one of 28 × 28")
  const [width, height] = [view.getUint32(16), view.getUint32(20)]
  const [depth, type, interlaced] = [view.getUint8(24), view.getUint8(25), view.getUint8(28)]
  const channels = channelsOf[type]
  if (width !== SIDE || height !== SIDE || depth !== 8 || channels === undefined || interlaced !== 0) {
    const found = `a PNG of ${width} × ${height}, ${depth} bits, colour type ${type}`
    throw new Error(`found ${found}; expected ${SIDE} × ${SIDE} with 8 bits a channel, as the page saves it`)
  }
  const rows = unfiltered(inflated(dataOf(file, view), SIDE * (SIDE * channels + 1)), channels)
  return Uint8ClampedArray.from({ length: SIDE * SIDE }, (_, i) => rows[i * channels]!)
}

/** The IDAT chunks, joined. */
const dataOf = (file: Uint8Array, view: DataView): Uint8Array => {
  const parts: Array<Uint8Array> = []
  for (let at = 8; at + 12 <= file.length; ) {
    const length = view.getUint32(at)
    if (view.getUint32(at + 4) === 0x49444154) parts.push(file.subarray(at + 8, at + 8 + length))
    at += 12 + length
  }
  return Buffer.concat(parts)
}

/** Unpacks the rows, and no byte more than they have. */
const inflated = (data: Uint8Array, size: number): Uint8Array => {
  try {
    const rows = inflateSync(data, { maxOutputLength: size })
    if (rows.length === size) return rows
  } catch {
    // below
  }
  throw new Error(`found a PNG whose rows are not the ${size} bytes that it says; save the drawing again`)
}

/** Bytes of the image: each row stands behind the number of its filter (PNG, §9.2). */
const unfiltered = (filtered: Uint8Array, channels: number): Uint8Array => {
  const stride = SIDE * channels
  const rows = new Uint8Array(SIDE * stride)
  for (let y = 0; y < SIDE; y++) {
    const filter = filtered[y * (stride + 1)]!
    for (let x = 0; x < stride; x++) {
      const left = x < channels ? 0 : rows[y * stride + x - channels]!
      const up = y === 0 ? 0 : rows[(y - 1) * stride + x]!
      const corner = y === 0 || x < channels ? 0 : rows[(y - 1) * stride + x - channels]!
      const predicted = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter]!
      rows[y * stride + x] = filtered[y * (stride + 1) + 1 + x]! + predicted
    }
  }
  return rows
}

/** The neighbour nearest to left + up − corner. */
const paeth = (left: number, up: number, corner: number): number => {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)]
  if (a <= b && a <= c) return left
  return b <= c ? up : corner
}
