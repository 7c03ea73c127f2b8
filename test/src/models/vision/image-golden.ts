/** Golden models of images, and the pixels of a golden as the project has them. */

import * as Effect from "effect/Effect"
import { describeImageModel, type ImageRows, loadImageModel } from "../../../../src/models/vision/index.ts"
import { folderOf } from "../causal/causal-golden.ts"
import type { Tensors } from "../golden.ts"

export const openImages = (name: string, options: Parameters<typeof describeImageModel>[1] = { head: "checkpoint" }) =>
  Effect.flatMap(describeImageModel(folderOf(name), options), (description) => loadImageModel(description, { seed: 0 }))

/** PyTorch's [size, channels, height, width], channels last. */
export const imagesOf = (io: Tensors): ImageRows => {
  const { data, shape } = io.get("pixel_values")!
  const [size, channels, height, width] = shape as readonly [number, number, number, number]
  const plane = height * width
  const pixels = Float32Array.from({ length: data.length }, (_, at) => {
    const [pixel, channel] = [Math.floor(at / channels), at % channels]
    const row = Math.floor(pixel / plane)
    return data[(row * channels + channel) * plane + (pixel % plane)]!
  })
  const labels = io.get("labels")?.data ?? new Float32Array(size)
  return { size, tokens: size, pixels, labels: Int32Array.from(labels) }
}
