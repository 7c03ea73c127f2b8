/** What the three codecs share: they give RGBA, and keep memory that they once asked for. */
import type { ImageHeader, Pixels } from "../image.ts"
import { Refused } from "../refused.ts"

/** Pixels as they are stored, not turned yet. Rejects with Refused where the bytes cannot be decoded. */
export type Codec = (bytes: Uint8Array, header: ImageHeader) => Promise<Pixels>

/** Without alpha: the colours that are stored, whatever is seen of them. Pillow's `convert("RGB")` does the same. */
export const opaque = (rgba: ArrayLike<number>, { width, height }: ImageHeader): Pixels => {
  const pixels = width * height
  if (rgba.length !== 4 * pixels) throw new Refused("is damaged: its data are of another size than its header says")
  const data = new Uint8Array(3 * pixels)
  for (let pixel = 0, from = 0, to = 0; pixel < pixels; pixel++, from += 4, to += 3) {
    data[to] = rgba[from]!
    data[to + 1] = rgba[from + 1]!
    data[to + 2] = rgba[from + 2]!
  }
  return { width, height, data }
}

/** Memory of WebAssembly grows and does not shrink: an instance that has more than this is not kept for the next image. */
const KEPT_BYTES = 64 * 2 ** 20

/** An instance of a codec, and how much memory it has. */
export interface Instance<Exports> {
  readonly exports: Exports
  readonly bytes: () => number
}

/**
 * Calls a codec. One that failed is in a state that no one knows, so the next image gets another; so is one that has become large.
 */
export class Instances<Exports> {
  private readonly start: () => Promise<Instance<Exports>>
  private idle: Instance<Exports> | undefined

  constructor(start: () => Promise<Instance<Exports>>) {
    this.start = start
  }

  async with<A>(use: (exports: Exports) => A): Promise<A> {
    const instance = this.idle ?? (await this.start())
    this.idle = undefined
    const result = use(instance.exports)
    if (instance.bytes() <= KEPT_BYTES) this.idle = instance
    return result
  }
}

/** A value that is made when it is first asked for; a failure is not kept. */
export const lazily = <A>(make: () => Promise<A>): (() => Promise<A>) => {
  let made: Promise<A> | undefined
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined
      throw error
    })
    return made
  }
}
