/** Logits as predictions. */
import * as Effect from "effect/Effect"
import type { Prediction } from "./task.ts"

/** One prediction per text, in their order; `logits`: of at most `size` texts at a time, [texts, classes]. */
export const predictionsOf = <E, R>(
  texts: ReadonlyArray<string>,
  size: number,
  labels: ReadonlyArray<string>,
  logits: (texts: ReadonlyArray<string>) => Effect.Effect<Float32Array, E, R>
): Effect.Effect<ReadonlyArray<Prediction>, E, R> =>
  Effect.gen(function* () {
    const predictions: Array<Prediction> = []
    for (let start = 0; start < texts.length; start += size) {
      const some = texts.slice(start, start + size)
      const all = yield* logits(some)
      for (const [i, text] of some.entries()) {
        const own = Array.from(all.subarray(i * labels.length, (i + 1) * labels.length))
        const label = labels[own.indexOf(Math.max(...own))]!
        predictions.push({ text, label, logits: Object.fromEntries(labels.map((name, j) => [name, own[j]!])) })
      }
    }
    return predictions
  })
