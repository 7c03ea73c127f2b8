/** The rows of `examples/fashion` on the host, as its plan makes them ready for MobileNetV2. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { imageEvaluationBatches, openImages, openPreparing } from "../../src/data/images/index.ts"
import type { Processing } from "../../src/images/index.ts"
import { platform } from "../../src/platform.ts"

export const SIDE = 96
const size = { height: SIDE, width: SIDE }

export const processing: Processing = {
  size,
  resize: size,
  resampling: "bilinear",
  scale: 1 / 255,
  mean: [0, 0, 0],
  deviation: [1, 1, 1],
  channels: 3
}

const file = (split: string) => new URL(`../../examples/data/fashion/${split}.parquet`, import.meta.url).pathname

export interface Rows {
  /** [count, 96, 96, 3] */
  readonly pixels: Float32Array
  readonly labels: Int32Array
  readonly count: number
}

/** The splits, and the seconds in which each was made ready. */
export const readRows = () =>
  Effect.gen(function* () {
    const section = { train: file("train"), validation: file("validation"), test: file("test") }
    const { splits } = yield* openImages({ ...section, image: "image", label: "label" }, 0)
    const preparing = yield* openPreparing(processing)
    const read = (split: "train" | "validation" | "test") =>
      Effect.gen(function* () {
        const source = splits[split]!
        const began = performance.now()
        const batches = yield* Stream.runCollect(imageEvaluationBatches(source, preparing, { batchSize: 32 }))
        const seconds = (performance.now() - began) / 1000
        const pixels = new Float32Array(source.rows * SIDE * SIDE * 3)
        const labels = new Int32Array(source.rows)
        let at = 0
        for (const batch of batches) {
          pixels.set(batch.pixels, at * SIDE * SIDE * 3)
          labels.set(batch.labels, at)
          at += batch.size
        }
        const rows: Rows & { readonly seconds: number } = { pixels, labels, count: source.rows, seconds }
        return rows
      })
    return { train: yield* read("train"), validation: yield* read("validation"), test: yield* read("test") }
  }).pipe(Effect.scoped, Effect.provide(platform), Effect.runPromise)
