/** Activation layers. PReLU's `<path>.alpha` is frozen, or trained itself. */
import * as tf from "@tensorflow/tfjs-core"
import { clippedRelu } from "../../kernels/index.ts"
import { stopGradient } from "../../tensors/index.ts"
import { activated, asItIs, configOf, type LayerKind, weightShapes } from "./layer.ts"

export const activation: LayerKind = { call: (layer, _path, [x]) => [activated(layer, x!)] }

export const relu: LayerKind = {
  call: (layer, _path, [x]) => {
    const { maxValue } = configOf<{ readonly maxValue?: number | null }>(layer)
    return [maxValue === undefined || maxValue === null ? tf.relu(x!) : clippedRelu(x!, maxValue)]
  }
}

export const prelu: LayerKind = {
  parameters: (layer, path) => [asItIs(`${path}.alpha`, 0, weightShapes(layer)[0]!)],
  call: (_layer, path, [x], { weights }) => [tf.prelu(x!, weights(`${path}.alpha`))]
}

/** x where x > θ. tfjs's own has no gradient, because it compares. */
export const thresholdedRelu: LayerKind = {
  call: (layer, _path, [x]) => {
    const { theta } = configOf<{ readonly theta: number }>(layer)
    return [
      tf.mul(
        x!,
        stopGradient(() => tf.cast(tf.greater(x!, theta), "float32"))
      )
    ]
  }
}

/** x, and 0 at steps whose values all equal the mask value. tfjs's own has no gradient here either. */
export const masking: LayerKind = {
  call: (layer, _path, [x]) => {
    const { maskValue } = configOf<{ readonly maskValue: number }>(layer)
    return [
      tf.mul(
        x!,
        stopGradient(() => tf.cast(tf.any(tf.notEqual(x!, maskValue), -1, true), x!.dtype))
      )
    ]
  }
}
