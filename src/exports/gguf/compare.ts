/** What a causal model says of a few texts: the exported file against the run. */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../adapters/index.ts"
import { Device } from "../../device/device.ts"
import { IGNORED } from "../../kernels/index.ts"
import { type CausalModel, logitsOf } from "../../models/causal/index.ts"
import { working } from "../../progress/index.ts"
import { readTensor } from "../../tensors/index.ts"

const texts = [
  "The quick brown fox jumps over the lazy dog.",
  "In 2024, about 37% of the 1,250 answers were given in words that nobody had expected.",
  "def add(a, b):\n    return a + b"
]

/** Tokens of a text at most: a row of logits is as long as the vocabulary. */
const MOST = 16

/** Logits [tokens, vocabulary] of all tokens of the texts. */
export const logitsOfTexts = (adapted: Adapted<CausalModel>) =>
  Effect.gen(function* () {
    const device = yield* Device
    const { model } = adapted
    const parts: Array<Float32Array> = []
    for (const [done, text] of texts.entries()) {
      yield* working("computing logits to compare", { done, of: texts.length, unit: "texts" })
      const ids = model.tokenizer.encode(text, { special: true }).slice(0, Math.min(MOST, model.maxLength))
      if (ids.length === 0) continue
      const logits: Tensor2D = tf.tidy(() => {
        const { input } = model.toDevice(rowOf(ids))
        const output = adapted.forward(input, adapted.trainable)
        return logitsOf(output.hidden, output)
      })
      const own = yield* readTensor(logits, "logits of the export's check").pipe(
        Effect.ensuring(Effect.sync(() => logits.dispose()))
      )
      parts.push(own as Float32Array)
    }
    yield* device.sync
    const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const part of parts) {
      all.set(part, at)
      at += part.length
    }
    return all
  })

const rowOf = (ids: ReadonlyArray<number>) => ({
  size: 1,
  length: ids.length,
  inputIds: Int32Array.from(ids),
  labels: new Int32Array(ids.length).fill(IGNORED),
  segments: new Int32Array(ids.length),
  positions: Int32Array.from(ids.keys()),
  tokens: ids.length
})
