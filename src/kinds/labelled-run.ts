/** What the runners of labelled rows share: a plan's rows after training, predictions, and what cards and merged models say of classes. */
import * as Effect from "effect/Effect"
import type { ArraysPlan, ClassificationPlan } from "../../schemas/index.ts"
import type { ClassificationData } from "../data/index.ts"
import { markdown } from "../output/index.ts"
import type { Prediction } from "./kind.ts"

type Section = (ClassificationPlan | ArraysPlan)["data"]

/** The section of a trained plan with its classes; with `file`, that file's rows in place of all splits. */
export const rowsOf = <S extends Section>(section: S, labels: ReadonlyArray<string>, file?: string): S => {
  if (file === undefined) return { ...section, labels }
  const { validation: _, test: __, ...columns } = section
  return { ...columns, labels, train: file } as S
}

export const onlySplits = Effect.map(({ splits }: ClassificationData) => splits)

/** What a card says a classifier is for. */
export const classesPurpose = (labels: ReadonlyArray<string>, what: string): string => {
  const named = labels.slice(0, 30).map(markdown).join(", ")
  const more = labels.length > 30 ? ` and ${labels.length - 30} more` : ""
  return `to tell ${labels.length} classes of ${what} apart: ${named}${more}`
}

/** What a card warns of; `what`: one of its rows. */
export const classesLimits = (labels: ReadonlyArray<string>, what: string): string =>
  `answers every ${what} with one of its ${labels.length} classes, whatever the ${what} is about; its probabilities are not calibrated.`

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
