/** What is read of a pass, and what it may not be. */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import { type DeviceReadError, readTensor } from "../tensors/index.ts"
import { GenerationError } from "./options.ts"

/** Failure for output of a model that is not finite. */
export const notFinite = Effect.suspend(() => {
  const problem = "the model computes numbers that are not finite; its weights or its adapter are damaged"
  return Effect.fail(new GenerationError({ problems: [problem] }))
})

/** Reads a tensor's values and disposes it. */
export const read = (make: () => Tensor2D): Effect.Effect<Float32Array, DeviceReadError> =>
  Effect.acquireUseRelease(
    Effect.sync(make),
    (tensor) => readTensor(tensor, "the next tokens") as Effect.Effect<Float32Array, DeviceReadError>,
    (tensor) => Effect.sync(() => tensor.dispose())
  )
