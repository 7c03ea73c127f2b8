/** What is made of a regression's run: a card, and a Hugging Face folder whose outputs are in the data's units. */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../../adapters/index.ts"
import type { RegressionPlan } from "../../../../schemas/index.ts"
import type { RowSource, TargetText } from "../../../data/index.ts"
import { Device } from "../../../device/device.ts"
import { type CardParts, type CardSource, CHECKED_ROWS, fenced, markdown, peftReader } from "../../../output/index.ts"
import type { Publisher } from "../../contract/kind.ts"
import { loadingCode } from "../card.ts"
import { mergedEncoder, sequenceCode } from "../publish.ts"
import { longestText } from "../resolve.ts"
import { logitsUse, servedClassifier } from "../served.ts"
import { outputsOf, type TargetModel, withTargets } from "../targets.ts"
import type { Scaling } from "./data.ts"
import type { ResolvedRegressionPlan } from "./resolve.ts"
import { inUnits, scalingOf } from "./run.ts"

const card = (source: CardSource<ResolvedRegressionPlan>): CardParts => {
  const { plan, model, data } = source.resolved
  const longest = longestText(plan, model)
  const { mean, deviation } = data.scaling
  const named = model.labels.map(markdown).join(", ")
  return {
    pipeline: "text-classification",
    task: "text-regression",
    alone: "A regression head",
    purpose: `to tell ${model.labels.length === 1 ? "a number" : "numbers"} of a text: ${named}`,
    settings: [["tokens of a text at most", longest]],
    loading: loadingCode(source, {
      names: model.labels,
      answer: [
        "# the model was trained on standardised values",
        `values = logits * torch.tensor(${JSON.stringify(deviation)}) + torch.tensor(${JSON.stringify(mean)})`,
        "print([dict(zip(labels, row)) for row in values.tolist()])"
      ]
    }),
    limits: `answers every text with ${model.labels.length === 1 ? "a number" : "numbers"}, whatever the text is about, and may leave the range of its training rows. Texts are cut at ${longest} tokens.`
  }
}

export const publishRegression: Publisher<
  RegressionPlan,
  ResolvedRegressionPlan,
  TargetModel,
  RowSource<TargetText>
> = {
  readerOf: peftReader,
  mergesInto: "huggingface",
  served: {
    of: ({ plan, adapted }) =>
      Effect.flatMap(
        Effect.acquireRelease(
          Effect.sync(() => withHeadInUnits(adapted, scalingOf(plan, adapted.model))),
          ({ own }) => Effect.sync(() => tf.dispose([...own]))
        ),
        ({ written }) =>
          servedClassifier({
            plan,
            adapted,
            written,
            problemType: "regression",
            usage: [
              "The logits are the values in the data's units. The pipeline of transformers.js takes every output for a class; the model itself does not:",
              "",
              ...logitsUse(plan.data, adapted.model)
            ]
          })
      )
  },
  card,
  merge: ({ plan, adapted, steps }, splits, run, folder) =>
    Effect.acquireUseRelease(
      Effect.sync(() => withHeadInUnits(adapted, scalingOf(plan, adapted.model))),
      ({ written }) =>
        mergedEncoder(
          {
            plan,
            adapted,
            written,
            problemType: "regression",
            words: { output: "value", answer: null },
            splits: splits(adapted, plan),
            outputs: (source) =>
              Effect.map(checkedOutputs(adapted, plan, source), (outputs) =>
                Float32Array.from(inUnits(outputs, scalingOf(plan, adapted.model)))
              ),
            mergedOutputs: (merged, source) => checkedOutputs(withTargets(merged), plan, source),
            alone: "a regression head",
            introduction: (change) => [
              `A regression of texts: ${change}, trained for ${steps} steps and merged into the base model. What it tells, in the data's units and the order of the outputs:`,
              "",
              fenced("json", [JSON.stringify(adapted.model.labels)])
            ],
            python: {
              own: [...sequenceCode(plan.data, longestText(plan, adapted.model)), ...answer],
              answer
            }
          },
          run,
          folder
        ),
      ({ own }) => Effect.sync(() => tf.dispose([...own]))
    )
}

const answer = ["print([dict(zip(labels, row)) for row in logits.tolist()])"]

const checkedOutputs = (adapted: Adapted<TargetModel>, plan: RegressionPlan, source: RowSource<TargetText>) =>
  Effect.gen(function* () {
    const device = yield* Device
    const { outputs } = yield* outputsOf(adapted, plan, source, { rows: CHECKED_ROWS })
    yield* device.sync
    return outputs
  })

/** The model with its last layer in the data's units: W' = σ·W, b' = σ·b + μ, a row a target. `own`: tensors of the caller's. */
const withHeadInUnits = (adapted: Adapted<TargetModel>, { mean, deviation }: Scaling) => {
  const { head } = adapted.model
  const [weight, bias] = head.parameters.slice(-2).map(({ name }) => name)
  const own: Array<tf.Tensor> = []
  const dense = adapted.trainable.dense.map((parameter) => {
    if (parameter.name !== weight && parameter.name !== bias) return parameter
    const value = tf.tidy(() =>
      parameter.name === weight
        ? tf.mul(parameter.value, tf.tensor2d(deviation.map((one) => [one])))
        : tf.add(tf.mul(parameter.value, tf.tensor1d([...deviation])), tf.tensor1d([...mean]))
    )
    own.push(value)
    return { ...parameter, value: value as typeof parameter.value }
  })
  const written: Adapted<TargetModel> = { ...adapted, trainable: { ...adapted.trainable, dense } }
  return { written, own }
}
