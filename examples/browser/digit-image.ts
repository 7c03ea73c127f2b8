/** Images of digits as the network reads them: 28 × 28 greys, 0 is paper and 255 ink, the ink centred as in MNIST. */

export const SIDE = 28
const PIXELS = SIDE * SIDE
/** longest side of the ink, and below which grey there is none */
const INK_SIDE = 20
const FAINT = 32

/** [784], 0 to 255, rows from the top */
export type Greys = Uint8ClampedArray

export interface Example {
  readonly greys: Greys
  /** 0 to 9 */
  readonly label: number
}

interface Packed {
  readonly labels: ReadonlyArray<number>
  /** base64 of 4-bit greys, two to a byte */
  readonly pixels: string
}

/** Examples as `make-ready-examples.ts` writes them. */
export const unpacked = ({ labels, pixels }: Packed): ReadonlyArray<Example> => {
  const bytes = Uint8Array.from(atob(pixels), (character) => character.charCodeAt(0))
  const grey = (i: number) => 17 * (i % 2 === 0 ? bytes[i >> 1]! >> 4 : bytes[i >> 1]! & 15)
  return labels.map((label, image) => ({
    label,
    greys: Uint8ClampedArray.from({ length: PIXELS }, (_, i) => grey(image * PIXELS + i))
  }))
}

/** What the network reads: [images · 784], 0 to 1. */
export const inputsOf = (images: ReadonlyArray<Greys>): Float32Array => {
  const values = new Float32Array(images.length * PIXELS)
  images.forEach((greys, image) => {
    for (let i = 0; i < PIXELS; i++) values[image * PIXELS + i] = greys[i]! / 255
  })
  return values
}

const contextOf = (canvas: HTMLCanvasElement) => canvas.getContext("2d", { alpha: false, willReadFrequently: true })!

/** A canvas of 28 × 28 with the image. */
export const canvasOf = (greys: Greys): HTMLCanvasElement => {
  const canvas = document.createElement("canvas")
  canvas.width = SIDE
  canvas.height = SIDE
  const image = new ImageData(SIDE, SIDE)
  greys.forEach((grey, i) => image.data.set([grey, grey, grey, 255], 4 * i))
  contextOf(canvas).putImageData(image, 0, 0)
  return canvas
}

/** Greys of a canvas: its red, which in a grey image is all there is. */
const greysOf = (context: CanvasRenderingContext2D, side: number): Greys =>
  context.getImageData(0, 0, side, side).data.filter((_, i) => i % 4 === 0)

/**
 * The image on a square canvas as MNIST has its own: the ink scaled to 20 × 20 with its proportions, its centre of mass
 * in the middle of 28 × 28 (LeCun et al. 1998, §III-A). Undefined where there is no ink.
 */
export const centred = (canvas: HTMLCanvasElement): Greys | undefined => {
  const side = canvas.width
  const greys = greysOf(contextOf(canvas), side)
  const ink = [...greys.keys()].filter((i) => greys[i]! >= FAINT)
  if (ink.length === 0) return undefined
  const columns = spanOf(ink.map((i) => i % side))
  const rows = spanOf(ink.map((i) => Math.floor(i / side)))
  const scale = INK_SIDE / Math.max(columns.length, rows.length)
  // drawn around its box first, then moved by whole pixels to its centre of mass
  const placed = (x: number, y: number): Greys => {
    const small = canvasOf(new Uint8ClampedArray(PIXELS))
    const context = contextOf(small)
    context.imageSmoothingQuality = "high"
    const [width, height] = [columns.length * scale, rows.length * scale]
    context.drawImage(canvas, columns.start, rows.start, columns.length, rows.length, x, y, width, height)
    return greysOf(context, SIDE)
  }
  const [x, y] = [(SIDE - columns.length * scale) / 2, (SIDE - rows.length * scale) / 2]
  const mass = centreOf(placed(x, y))
  const middle = (SIDE - 1) / 2
  return placed(x + Math.round(middle - mass.x), y + Math.round(middle - mass.y))
}

const spanOf = (places: ReadonlyArray<number>) => {
  let [start, end] = [Number.POSITIVE_INFINITY, 0]
  for (const place of places) {
    start = Math.min(start, place)
    end = Math.max(end, place)
  }
  return { start, length: end - start + 1 }
}

const centreOf = (greys: Greys) => {
  let [all, x, y] = [0, 0, 0]
  greys.forEach((grey, i) => {
    all += grey
    x += grey * (i % SIDE)
    y += grey * Math.floor(i / SIDE)
  })
  return { x: x / all, y: y / all }
}

/**
 * An image file's digit. Dark ink on light paper becomes light on dark, as the network knows it; what is 28 × 28 and
 * dark stays as it is. Rejects where the browser cannot read the file; undefined where there is no ink.
 */
export const fromFile = async (file: Blob): Promise<Greys | undefined> => {
  const image = await createImageBitmap(file)
  const canvas = document.createElement("canvas")
  canvas.width = Math.max(image.width, image.height)
  canvas.height = canvas.width
  const context = contextOf(canvas)
  context.filter = "grayscale(1)"
  context.fillStyle = "#fff"
  const paint = () => {
    context.fillRect(0, 0, canvas.width, canvas.height)
    context.drawImage(image, (canvas.width - image.width) / 2, (canvas.height - image.height) / 2)
  }
  paint()
  const light = borderOf(greysOf(context, canvas.width), canvas.width) > 127
  if (!light && image.width === SIDE && image.height === SIDE) return greysOf(context, SIDE)
  if (light) {
    context.filter = "grayscale(1) invert(1)"
  } else {
    context.fillStyle = "#000"
  }
  paint()
  return centred(canvas)
}

/** Mean grey along the edges of the middle row and column: the paper. */
const borderOf = (greys: Greys, side: number): number => {
  const middle = side >> 1
  const places = [middle, middle * side, middle * side + side - 1, (side - 1) * side + middle]
  return places.reduce((sum, i) => sum + greys[i]!, 0) / places.length
}

/** A PNG of 28 × 28. */
export const pngOf = (greys: Greys): Promise<Blob> =>
  new Promise((resolve) => canvasOf(greys).toBlob((blob) => resolve(blob!), "image/png"))
