/** Encoders with a head for other engines: token ids as inputs, logits or vectors as outputs. */
import type { Tensor, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../adapters/index.ts"
import type { TextColumns } from "../../data/index.ts"
import { familyOf, headClassOf, type Model, type Network, type RunBlock } from "../../models/index.ts"
import { labelsOfConfig, type ProblemType } from "../../output/index.ts"
import type { Linear, Weights } from "../../tensors/index.ts"
import { type Served, type ServedInput, script } from "../contract/served.ts"
import { type EncoderPlan, longestText } from "./resolve.ts"

/** A model over tokens with any targets. */
export type TextNetwork = Omit<Model, "toDevice" | "stack"> & Network & Pick<Model, "forward">

const AXES = ["batch_size", "sequence_length"] as const

/** Returns the tokenizer outputs that the model requires: three, or two without token types. */
const inputsOf = ({ tokenTypes }: TextNetwork): ReadonlyArray<ServedInput> => [
  { name: "input_ids", stored: "int64", dtype: "int32", shape: AXES },
  { name: "attention_mask", stored: "int64", dtype: "float32", shape: AXES },
  ...(tokenTypes === 0 ? [] : [{ name: "token_type_ids", stored: "int64", dtype: "int32", shape: AXES } as const])
]

/** Applies the model and its head; also returns the last hidden states [batch, length, hidden]. */
export const applied =
  (model: TextNetwork) => (inputs: Readonly<Record<string, Tensor>>, linear: Linear, weights: Weights) => {
    const inputIds = inputs["input_ids"] as Tensor2D
    const attentionMask = inputs["attention_mask"] as Tensor2D
    const tokenTypeIds = (inputs["token_type_ids"] ?? inputIds) as Tensor2D
    let hidden: Tensor | undefined
    const runBlock: RunBlock = (block, ...args) => {
      const h = block(...args)
      // reshaped here, since a head may dispose the states
      hidden = tf.reshape(h, [...inputIds.shape, model.hiddenSize])
      return h
    }
    const outputs = model.forward({ inputIds, attentionMask, tokenTypeIds }, linear, weights, runBlock)
    return { said: outputs, hidden }
  }

export interface Serving {
  readonly plan: EncoderPlan
  readonly adapted: Adapted<TextNetwork>
  /** model whose parameters are written; default: the trained model */
  readonly exported?: Adapted<TextNetwork>
}

/** Describes the parts of the export that all encoders over texts share. */
export const servedText = ({ plan, adapted: { model }, adapted, exported = adapted }: Serving) => ({
  adapted: exported as Adapted<Network>,
  base: model.folder,
  tokenizer: { tokenTypes: model.tokenTypes, padId: model.tokenizer.padId },
  inputs: inputsOf(model),
  axes: { batch_size: [11, 13], sequence_length: [5, 7] } as const,
  // texts are truncated as in the run
  files: { "tokenizer_config.json": { model_max_length: longestText(plan, model) } }
})

/**
 * Describes a classifier for other engines: logits [batch, labels], or [batch, length, labels] of a head over tokens, under transformers' name,
 * so that its classes run it, with any head. `task`: the pipeline.
 */
export const servedClassifier = (
  serving: Serving & {
    readonly task: string
    readonly problemType: ProblemType | undefined
    readonly usage: ReadonlyArray<string>
  }
) => {
  const { adapted, task, problemType, usage } = serving
  const { model } = adapted
  const forward = applied(model)
  const overTokens = model.head.pooling === "tokens"
  const suffix = headClassOf(model.head)?.suffix ?? "ForSequenceClassification"
  return Effect.succeed<Served>({
    ...servedText(serving),
    task,
    forward: (inputs, linear, weights) => {
      const { said } = forward(inputs, linear, weights)
      const shape = inputs["input_ids"]!.shape as [number, number]
      return { logits: overTokens ? tf.reshape(said, [...shape, model.labels.length]) : said }
    },
    config: {
      architectures: [`${familyOf(model.family).className}${suffix}`],
      ...labelsOfConfig(model.labels),
      problem_type: problemType
    },
    usage
  })
}

/** Returns JavaScript code that runs transformers.js's pipeline for texts. */
export const pipelineUse = (options?: string): ReadonlyArray<string> => [
  script("pipeline", [
    'const classify = await pipeline("text-classification", "folder")',
    `console.log(await classify(["your text"]${options === undefined ? "" : `, ${options}`}))`
  ])
]

/** Returns JavaScript code that runs the model without a pipeline, which does not support pairs. */
export const logitsUse = (
  { textPair }: TextColumns,
  { tokenTypes }: Pick<TextNetwork, "tokenTypes">
): ReadonlyArray<string> => {
  // some tokenizer classes do not return token types by default; for a single type, transformers.js fills in zeros
  const types = tokenTypes > 1 ? "return_token_type_ids: true, " : ""
  const pair = textPair === undefined ? "" : `text_pair: ["the other"], ${types}`
  return [
    script("AutoModelForSequenceClassification, AutoTokenizer", [
      'const tokenizer = await AutoTokenizer.from_pretrained("folder")',
      'const model = await AutoModelForSequenceClassification.from_pretrained("folder")',
      `const { logits } = await model(tokenizer(["your text"], { ${pair}padding: true, truncation: true }))`,
      "console.log(logits.tolist())"
    ])
  ]
}
