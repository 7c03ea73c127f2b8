/**
 * Layer kinds by the name that tfjs saves them under (`layer.getClassName()`). A kind that is not here is computed by
 * its own `call`.
 */
import { convolution, depthwise, separable } from "./convolution.ts"
import type { Layer, LayerKind } from "./layer.ts"
import { batchNormalization, layerNormalization } from "./normalization.ts"
import { averagePooling1d, averagePooling2d, maxPooling1d, maxPooling2d, upSampling2d } from "./pooling.ts"
import { activation, dense, embedding, masking, prelu, relu, thresholdedRelu } from "./position-wise.ts"
import { bidirectional, recurrent, timeDistributed } from "./recurrent.ts"

/** Supported layers by tfjs's class names. */
export const layerKinds: ReadonlyMap<string, LayerKind> = new Map(
  Object.entries({
    Dense: dense,
    Conv1D: convolution,
    Conv2D: convolution,
    Conv3D: convolution,
    DepthwiseConv2D: depthwise,
    SeparableConv2D: separable,
    Embedding: embedding,
    BatchNormalization: batchNormalization,
    LayerNormalization: layerNormalization,
    Activation: activation,
    ReLU: relu,
    PReLU: prelu,
    ThresholdedReLU: thresholdedRelu,
    Masking: masking,
    MaxPooling1D: maxPooling1d,
    MaxPooling2D: maxPooling2d,
    AveragePooling1D: averagePooling1d,
    AveragePooling2D: averagePooling2d,
    UpSampling2D: upSampling2d,
    RNN: recurrent,
    SimpleRNN: recurrent,
    LSTM: recurrent,
    GRU: recurrent,
    TimeDistributed: timeDistributed,
    Bidirectional: bidirectional
  } satisfies Readonly<Record<string, LayerKind>>)
)

/** Returns the kind of a layer, or undefined if tfjs's own `call` computes it. */
export const kindOf = (layer: Layer): LayerKind | undefined => {
  const kind = layerKinds.get(layer.getClassName())
  return kind?.takes?.(layer) === false ? undefined : kind
}
