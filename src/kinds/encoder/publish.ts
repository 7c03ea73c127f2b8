/** What is made of the run of an encoder under a head: base + s·BA as a Hugging Face folder, compared with the run before it stays. */
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../adapters/index.ts"
import type { TextColumns } from "../../data/index.ts"
import type { Device } from "../../device/device.ts"
import type { Model, ModelDescription, Network } from "../../models/index.ts"
import {
  changeOf,
  checkedSplit,
  fenced,
  mergedClass,
  type OutputWords,
  openMerged,
  type ProblemType,
  writeMerged
} from "../../output/index.ts"
import type { SplitSource, Splits } from "../../plan/index.ts"
import type { Reported, World } from "../contract/kind.ts"
import { mergedRun } from "../contract/merged-run.ts"
import { type EncoderPlan, longestText } from "./resolve.ts"
import { exampleTexts } from "./words.ts"

type HeadModel = ModelDescription & Network & Pick<Model, "tokenizer">

export interface Merging<M extends HeadModel, Source extends SplitSource> {
  readonly plan: EncoderPlan & { readonly data: TextColumns }
  readonly adapted: Adapted<M>
  /** what is written, where it is another model than the one that was trained: its head in other units */
  readonly written?: Adapted<M>
  readonly problemType: ProblemType
  readonly words: OutputWords
  readonly splits: Effect.Effect<Splits<Source>, Reported, World>
  /** Outputs [rows, outputs] of the first rows of a split: of the run, and of the model in the folder. */
  readonly outputs: (source: Source) => Effect.Effect<Float32Array, Reported, Device>
  readonly mergedOutputs: (merged: Adapted, source: Source) => Effect.Effect<Float32Array, Reported, Device>
  /** what is trained where no layer is adapted */
  readonly alone: string
  /** the card's first lines; `change`: what was trained, in words */
  readonly introduction: (change: string) => ReadonlyArray<string>
  /** Python that uses the folder as transformers' class, and what it says of `logits` and `labels` where it is this package's head */
  readonly python: {
    readonly own: ReadonlyArray<string>
    readonly answer: ReadonlyArray<string>
  }
}

/** Writes a run's model with what was trained merged into it. */
export const mergedEncoder = <M extends HeadModel, Source extends SplitSource>(
  {
    plan,
    adapted,
    written = adapted,
    problemType,
    words,
    splits,
    outputs,
    mergedOutputs,
    alone,
    introduction,
    python
  }: Merging<M, Source>,
  run: string,
  folder: string
) => {
  const { model } = adapted
  const change = changeOf(adapted, { alone: `${alone} alone`, beside: alone })
  const checked = (outputsOn: (source: Source) => Effect.Effect<Float32Array, Reported, Device>) =>
    Effect.gen(function* () {
      const opened = yield* splits
      const split = checkedSplit(opened)
      return { outputs: yield* outputsOn(opened[split]!), split }
    })
  return mergedRun({
    adapted,
    run,
    base: model.folder,
    width: model.labels.length,
    words,
    unmerged: checked(outputs),
    write: writeMerged(written, folder, problemType),
    merged: Effect.flatMap(openMerged(folder, model), (merged) => checked((source) => mergedOutputs(merged, source))),
    card: {
      pipeline: model.head.pooling === "pooler" ? "text-classification" : "feature-extraction",
      introduction: introduction(change),
      weights: plan.model.weights,
      leftOut: "they are another head's",
      usage: usage(model, plan.data, longestText(plan, model), python)
    }
  })
}

const usage = (
  model: ModelDescription,
  columns: TextColumns,
  maxLength: number,
  { own, answer }: Merging<HeadModel, SplitSource>["python"]
): ReadonlyArray<string> =>
  model.head.pooling === "pooler"
    ? [`It loads as transformers' \`${mergedClass(model)}\`.`, "", fenced("python", own)]
    : [
        `It loads as transformers' \`${mergedClass(model)}\`. The head, over the mean of the last hidden states, is one that no class of transformers has, and lies beside it in \`head.safetensors\`: \`pipeline("text-classification")\` and \`AutoModelForSequenceClassification\` would answer with a new one at random. With the run's own:`,
        "",
        fenced("python", [...headCode(columns, maxLength), ...answer]),
        "",
        "`export RUN --format onnx` of tfjs-lora-pro writes a folder that has the head in its graph, for the pipelines of transformers.js and for onnxruntime."
      ]

/** Python that says `logits` of a text with the folder's own class, and what its `labels` are. */
export const sequenceCode = (columns: TextColumns, maxLength: number): ReadonlyArray<string> => [
  "import torch",
  "from transformers import AutoModelForSequenceClassification, AutoTokenizer",
  "",
  'folder = "path/to/this/folder"',
  "tokenizer = AutoTokenizer.from_pretrained(folder)",
  "model = AutoModelForSequenceClassification.from_pretrained(folder).eval()",
  "labels = list(model.config.id2label.values())",
  batchLine(columns, maxLength),
  "with torch.no_grad():",
  "    logits = model(**batch).logits"
]

const headCode = (columns: TextColumns, maxLength: number): ReadonlyArray<string> => [
  "import json",
  "",
  "import torch",
  "from safetensors import safe_open",
  "from transformers import AutoModel, AutoTokenizer",
  "",
  'folder = "path/to/this/folder"',
  "tokenizer = AutoTokenizer.from_pretrained(folder)",
  "model = AutoModel.from_pretrained(folder).eval()",
  'with safe_open(f"{folder}/head.safetensors", "pt") as file:',
  '    weight, bias = file.get_tensor("weight"), file.get_tensor("bias")',
  '    labels = json.loads(file.metadata()["labels"])',
  batchLine(columns, maxLength),
  "with torch.no_grad():",
  "    hidden = model(**batch).last_hidden_state",
  '    mask = batch["attention_mask"].unsqueeze(-1)',
  "    pooled = (hidden * mask).sum(1) / mask.sum(1)",
  "    logits = pooled @ weight.T + bias"
]

const batchLine = (columns: TextColumns, maxLength: number): string =>
  `batch = tokenizer(${exampleTexts(columns, "your text")}, return_tensors="pt", padding=True, truncation=True, max_length=${maxLength})`
