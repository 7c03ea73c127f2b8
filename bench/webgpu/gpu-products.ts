/**
 * GFLOP/s of `tf.matMul` on our webgpu device, at the shapes of a step's large products, y = xWᵀ ("nt") and dx = dy·W
 * ("nn"), and of a product that fills a large GPU. The best of them is the peak that a step's share is counted against.
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { openDevice } from "../../src/device/open.ts"
import { modelShapes } from "../shapes.ts"
import { openDawn, runtimeOn } from "./dawn.ts"
import type { ProductsMeasurement, ProductsResult } from "./measurement.ts"

const WARM_UP = 2
const REPEATS = 5
/** A repetition takes as many products as make this many operations: waiting for the GPU is a part of it. */
const FLOP = { software: 2e9, hardware: 2e12 }
/** Rows, and both widths. */
const LARGE = { software: 512, hardware: 4096 }

export const gpuProducts = ({ adapter, model, batch, length }: ProductsMeasurement): Promise<ProductsResult> =>
  Effect.gen(function* () {
    const device = yield* openDevice(runtimeOn(openDawn(adapter)), "webgpu")
    const { adapter: gpu = "", software = false } = device.describe()
    const kind = software ? "software" : "hardware"
    /** Of the fastest repetition: whatever else runs on the machine only takes away. */
    const rate = (rows: number, from: number, to: number, transposed: boolean) =>
      Effect.gen(function* () {
        const x = tf.randomNormal<tf.Rank.R2>([rows, from])
        const W = tf.randomNormal<tf.Rank.R2>(transposed ? [to, from] : [from, to])
        const flop = 2 * rows * from * to
        const products = Math.max(1, Math.round(FLOP[kind] / flop))
        let best = Number.POSITIVE_INFINITY
        for (let i = 0; i < WARM_UP + REPEATS; i++) {
          const began = performance.now()
          for (let j = 0; j < products; j++) tf.matMul(x, W, false, transposed).dispose()
          yield* device.sync
          if (i >= WARM_UP) best = Math.min(best, performance.now() - began)
        }
        tf.dispose([x, W])
        return (products * flop) / best / 1e6
      })
    const { width, inner } = modelShapes[model]
    const tokens = batch * length
    const large = LARGE[kind]
    const shapes = [
      [tokens, width, width],
      [tokens, width, inner],
      [tokens, inner, width],
      [large, large, large]
    ] as const
    const rates: Record<string, number> = {}
    for (const [rows, from, to] of shapes) {
      rates[`nt ${rows}×${from}×${to}`] = yield* rate(rows, from, to, true)
      rates[`nn ${rows}×${to}×${from}`] = yield* rate(rows, to, from, false)
    }
    return { gpu, rates }
  }).pipe(Effect.scoped, Effect.runPromise)
