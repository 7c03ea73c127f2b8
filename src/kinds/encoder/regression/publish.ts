/** Text regression: exports, whose outputs are in the units of the data. */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../../adapters/index.ts"
import type { RegressionPlan } from "../../../../schemas/index.ts"
import type { RowSource, TargetText } from "../../../data/index.ts"
import { fenced, markdown } from "../../../output/index.ts"
import { headPublisher } from "../publish.ts"
import type { ResolvedEncoderPlan } from "../resolve.ts"
import { checkedTargets, withTargets } from "../run.ts"
import { logitsUse } from "../served.ts"
import type { RegressionData } from "./data.ts"
import { inUnits, type RegressionModel, unscaled } from "./run.ts"

const numbers = ({ length }: ReadonlyArray<string>): string => (length === 1 ? "a number" : "numbers")

export const publishRegression = headPublisher<
  RegressionPlan,
  ResolvedEncoderPlan<RegressionPlan, RegressionData>,
  RegressionModel,
  RowSource<TargetText>
>({
  problemType: "regression",
  words: { output: "value", answer: null },
  alone: "A regression head",
  task: "text-regression",
  purpose: ({ labels }) => `to predict ${numbers(labels)} of a text: ${labels.map(markdown).join(", ")}`,
  limits: ({ labels }) =>
    `answers every text with ${numbers(labels)}, whatever the text is about, and may leave the range of its training rows.`,
  python: ({ data: { scaling } }) => ({
    answer: [
      "# the model was trained on standardized values",
      `values = logits * torch.tensor(${JSON.stringify(scaling.deviation)}) + torch.tensor(${JSON.stringify(scaling.mean)})`,
      "print([dict(zip(labels, row)) for row in values.tolist()])"
    ]
  }),
  introduction: ({ adapted: { model }, steps }, change) => [
    `A regression of texts: ${change}, trained for ${steps} steps and merged into the base model. Its outputs, in the units of the data:`,
    "",
    fenced("json", [JSON.stringify(model.labels)])
  ],
  mergedPython: () => ({ answer: ["print([dict(zip(labels, row)) for row in logits.tolist()])"] }),
  usage: ({ plan, adapted: { model } }) => [
    "The logits are the values in the data's units. The transformers.js pipeline treats every output as a class; the model does not:",
    "",
    ...logitsUse(plan.data, model)
  ],
  outputs: (adapted, plan, source) =>
    Effect.map(checkedTargets(adapted, plan, source), (outputs) =>
      Float32Array.from(inUnits(outputs, adapted.model.scaling))
    ),
  reopened: (merged, trained) => withTargets(merged, { ...trained, scaling: unscaled(trained.labels) }),
  exportedModel: ({ adapted }) =>
    Effect.acquireRelease(
      Effect.sync(() => withHeadInUnits(adapted)),
      ({ created }) => Effect.sync(() => tf.dispose([...created]))
    )
})

/**
 * Returns the model with its last layer in the units of the data: W' = σ·W, b' = σ·b + μ, one row per target. The caller disposes its new
 * tensors.
 */
const withHeadInUnits = (adapted: Adapted<RegressionModel>) => {
  const { head, scaling } = adapted.model
  const { mean, deviation } = scaling
  const [weight, bias] = head.parameters.slice(-2).map(({ name }) => name)
  const created: Array<tf.Tensor> = []
  const dense = adapted.trainable.dense.map((parameter) => {
    if (parameter.name !== weight && parameter.name !== bias) return parameter
    const value = tf.tidy(() =>
      parameter.name === weight
        ? tf.mul(parameter.value, tf.tensor2d(deviation.map((scale) => [scale])))
        : tf.add(tf.mul(parameter.value, tf.tensor1d([...deviation])), tf.tensor1d([...mean]))
    )
    created.push(value)
    return { ...parameter, value: value as typeof parameter.value }
  })
  return { ...adapted, trainable: { ...adapted.trainable, dense }, created: created }
}
