/**
 * How fast the backend multiplies: GFLOP/s of its own `tf.matMul` at the shapes of a step's large products, y = xWᵀ ("nt") and
 * dx = dy·W ("nn"). The best of them is the peak that a step's share is counted against.
 */
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { Device, platform } from "../src/index.ts"
import { tidy } from "../src/tensors/scopes.ts"
import { modelShapes, type ProductMeasurement, type ProductResult } from "./shapes.ts"

const WARM_UP = 3
const REPEATS = 10

/** Of the fastest repetition: whatever else runs on the machine only takes away. */
const rateOf = (flop: number, product: () => Tensor2D): number => {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < WARM_UP + REPEATS; i++) {
    const began = performance.now()
    product().dispose()
    if (i >= WARM_UP) best = Math.min(best, performance.now() - began)
  }
  return flop / best / 1e6
}

const ratesOf = ({ model, batch, length }: ProductMeasurement): ProductResult["rates"] => {
  const { width, inner } = modelShapes[model]
  const tokens = batch * length
  const layers = [
    [width, width],
    [width, inner],
    [inner, width]
  ] as const
  return Object.fromEntries(
    layers.flatMap(
      ([from, to]) =>
        tidy(() => {
          const normal = (rows: number, columns: number) => tf.randomNormal<tf.Rank.R2>([rows, columns])
          const [x, W, dy] = [normal(tokens, from), normal(to, from), normal(tokens, to)]
          const flop = 2 * tokens * from * to
          return [
            [`nt ${tokens}×${from}×${to}`, rateOf(flop, () => tf.matMul(x, W, false, true))],
            [`nn ${tokens}×${to}×${from}`, rateOf(flop, () => tf.matMul(dy, W))]
          ] as unknown as tf.TensorContainer
        }) as unknown as Array<[string, number]>
    )
  )
}

export const measureProducts = (measurement: ProductMeasurement): Promise<ProductResult> =>
  Effect.sync(() => ({ rates: ratesOf(measurement) })).pipe(
    Effect.provide(Device.layer(measurement.device, { threads: measurement.threads })),
    Effect.provide(platform),
    Effect.runPromise
  )
