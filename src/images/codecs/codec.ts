/** Common parts of the three codecs, which return RGBA and keep the memory that they have allocated. */
import type { ImageHeader, Pixels } from "../image.ts"
import { Refused } from "../refused.ts"

/** Decodes an image without applying its orientation. Rejects with Refused if the bytes cannot be decoded. */
export type Codec = (bytes: Uint8Array, header: ImageHeader) => Promise<Pixels>

/** Drops the alpha channel and keeps the stored colours, even of transparent pixels, as Pillow's `convert("RGB")`. */
export const opaque = (rgba: ArrayLike<number>, { width, height }: ImageHeader): Pixels => {
  const pixels = width * height
  if (rgba.length !== 4 * pixels) throw new Refused("is damaged: its data have another size than its header says")
  const data = new Uint8Array(3 * pixels)
  for (let pixel = 0, from = 0, to = 0; pixel < pixels; pixel++, from += 4, to += 3) {
    data[to] = rgba[from]!
    data[to + 1] = rgba[from + 1]!
    data[to + 2] = rgba[from + 2]!
  }
  return { width, height, data }
}

/** Maximum memory of an instance that is kept for the next image: WebAssembly memory grows and does not shrink. */
const KEPT_BYTES = 64 * 2 ** 20

/** An instance of a codec, with the size of its memory. */
export interface Instance<Exports> {
  readonly exports: Exports
  readonly bytes: () => number
}

/**
 * Calls a codec. After a failure, the state of an instance is undefined, so the next image uses a new one, as after an instance has grown large.
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

/** Returns a function that computes a value on first use and caches it; failures are not cached. */
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
