/** A batch of tokenised texts as tensors. The caller's tidy owns them. */
import * as tf from "@tensorflow/tfjs"
import type { TokenRows } from "../tensors/index.ts"
import type { Model, TokenBatch } from "./model.ts"

export const tokenTensors = ({ size, length, inputIds, tokenTypeIds, attentionMask }: TokenRows): TokenBatch => {
  const shape: [number, number] = [size, length]
  return {
    inputIds: tf.tensor2d(inputIds, shape, "int32"),
    tokenTypeIds: tf.tensor2d(tokenTypeIds, shape, "int32"),
    attentionMask: tf.tensor2d(attentionMask, shape, "float32")
  }
}

export const labelTensor = ({ labels }: Pick<TokenRows, "labels">): tf.Tensor1D => tf.tensor1d(labels, "int32")

/** Of every text model. */
export const feed: Model["feed"] = (rows) => {
  const input = tokenTensors(rows)
  return { input, target: labelTensor(rows), mask: tf.reshape(input.attentionMask, [rows.size * rows.length]) }
}
