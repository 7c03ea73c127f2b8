/** A batch's arrays as tensors. The caller's tidy owns them. */
import type { Tensor1D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import type { Batch } from "../data/row.ts"
import type { TokenBatch } from "../models/model.ts"

export const tokenTensors = (batch: Batch): TokenBatch => {
  const shape: [number, number] = [batch.size, batch.length]
  return {
    inputIds: tf.tensor2d(batch.inputIds, shape, "int32"),
    tokenTypeIds: tf.tensor2d(batch.tokenTypeIds, shape, "int32"),
    attentionMask: tf.tensor2d(batch.attentionMask, shape, "float32")
  }
}

export const labelTensor = (batch: Batch): Tensor1D => tf.tensor1d(batch.labels, "int32")
