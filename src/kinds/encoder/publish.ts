/**
 * Publishes runs of encoders with a head: the adapter's model card, base + s·BA as a Hugging Face folder (checked against the run), and the
 * forward pass for other engines. No transformers class has a head over mean pooling, so exports include its code.
 */
import * as Effect from "effect/Effect"
import type { Adapted } from "../../../adapters/index.ts"
import type { TextColumns } from "../../data/index.ts"
import type { Device } from "../../device/device.ts"
import { headClassOf, type Model, type ModelDescription, type Network } from "../../models/index.ts"
import {
  type CardSource,
  changeOf,
  fenced,
  inTypeScript,
  mergedClass,
  type OutputWords,
  openMerged,
  type ProblemType,
  peftReader,
  python,
  writeMerged
} from "../../output/index.ts"
import type { OpenedData, SplitSource } from "../../plan/index.ts"
import type { Publisher, Reported, Trained, World } from "../contract/index.ts"
import { mergedRun } from "../contract/merged-run.ts"
import { type EncoderPlan, longestText, type ResolvedEncoderPlan } from "./resolve.ts"
import { servedClassifier, type TextNetwork } from "./served.ts"

/** Columns of texts; absent where rows are lists of words. */
type Columns = Partial<TextColumns>
type HeadPlan = EncoderPlan & { readonly data: Columns }
type HeadModel = ModelDescription & Network & Pick<Model, "tokenizer"> & TextNetwork
type Source = CardSource<ResolvedEncoderPlan<HeadPlan, OpenedData>>

/** Python code that interprets `logits` [rows, outputs]; outputs are named by `labels`. */
interface PythonAnswer {
  readonly imports?: ReadonlyArray<string>
  readonly answer: ReadonlyArray<string>
}

/** Python code that interprets the `logits` of a merged folder, and code for the transformers class where it differs. */
interface MergedPython {
  readonly answer: ReadonlyArray<string>
  readonly loading?: ReadonlyArray<string>
}

/** The parts of publishing that differ between kinds with a head. */
interface HeadPublisher<
  Plan extends HeadPlan,
  R extends ResolvedEncoderPlan<Plan, OpenedData>,
  M extends HeadModel,
  S extends SplitSource
> {
  /** absent for a head over tokens, whose class has no problem types */
  readonly problemType?: ProblemType
  readonly words: OutputWords
  /** noun phrase for the trained parameters where no layer is adapted: "A classification head" */
  readonly alone: string
  /** the Hub's name of the task */
  readonly task: string
  /** returns intended uses and limitations, as ends of sentences */
  purpose(model: R["model"]): string
  limits(model: R["model"]): string
  /** returns Python code that uses the adapter, in the folder `adapter` */
  python(resolved: R): PythonAnswer
  /** returns the first lines of the merged model's card, and Python code that uses it; `change`: description of the adapter */
  introduction(trained: Trained<Plan, M>, change: string): ReadonlyArray<string>
  mergedPython(trained: Trained<Plan, M>): MergedPython
  /** returns JavaScript code that uses the forward pass */
  usage(trained: Trained<Plan, M>): ReadonlyArray<string>
  /** returns outputs [rows, outputs] of the first rows of a split */
  outputs(adapted: Adapted<M>, plan: Plan, source: S): Effect.Effect<Float32Array, Reported, Device>
  /** converts the model of the merged folder to the run's kind; `trained`: the run's model */
  reopened(merged: Adapted, trained: M): Adapted<M>
  /** returns the model to write, where it differs from the trained one, such as by a head in other units; until the scope closes */
  exportedModel?(trained: Trained<Plan, M>): Effect.Effect<Adapted<M>, never, World>
}

export const headPublisher = <
  Plan extends HeadPlan,
  R extends ResolvedEncoderPlan<Plan, OpenedData>,
  M extends HeadModel,
  S extends SplitSource
>({
  problemType,
  words,
  task,
  usage: served,
  ...publisher
}: HeadPublisher<Plan, R, M, S>): Publisher<Plan, R, M, S> => {
  // sequence classifiers of all problem types have one pipeline
  const pipeline = problemType === undefined ? task : "text-classification"
  const writtenOf = (trained: Trained<Plan, M>) => publisher.exportedModel?.(trained) ?? Effect.succeed(trained.adapted)
  return {
    readerOf: peftReader,
    mergesInto: "huggingface",
    served: {
      of: (trained) =>
        Effect.flatMap(writtenOf(trained), (exported) =>
          servedClassifier({
            plan: trained.plan,
            adapted: trained.adapted,
            exported: exported,
            task: pipeline,
            problemType,
            usage: served(trained)
          })
        )
    },
    card: (source) => {
      const { plan, model } = source.resolved
      const longest = longestText(plan, model)
      return {
        pipeline,
        task,
        alone: publisher.alone,
        purpose: publisher.purpose(model),
        settings: [["maximum tokens per text", longest]],
        loading: loadingCode(source, publisher.python(source.resolved)),
        limits: `${publisher.limits(model)} ${model.head.pooling === "tokens" ? "Longer texts are read in windows" : "Texts are cut"} at ${longest} tokens.`
      }
    },
    merge: (trained, splits, run, folder) => {
      const { plan, adapted } = trained
      const { model } = adapted
      const alone = publisher.alone.toLowerCase()
      const change = changeOf(adapted, { alone: `${alone} alone`, beside: alone })
      return mergedRun({
        adapted,
        run,
        base: model.folder,
        width: model.labels.length,
        words,
        splits: () => splits(adapted, plan),
        outputs: (model, source) => publisher.outputs(model, plan, source),
        write: Effect.scoped(
          Effect.flatMap(writtenOf(trained), (exported) => writeMerged(exported, folder, problemType))
        ),
        reopened: Effect.map(openMerged(folder, model), (merged) => publisher.reopened(merged, model)),
        card: {
          pipeline: headClassOf(model.head) === undefined ? "feature-extraction" : pipeline,
          introduction: publisher.introduction(trained, change),
          weights: plan.model.weights,
          leftOut: "they are another head's",
          usage: usage(model, plan.data, longestText(plan, model), publisher.mergedPython(trained))
        }
      })
    }
  }
}

/** Returns a sample row in TypeScript. */
export const exampleRow = ({ text = "text", textPair }: Columns): string =>
  textPair === undefined ? '"a text"' : JSON.stringify({ [text]: "a text", [textPair]: "another" })

/** Returns the arguments of a Python tokenizer for one row. */
export const exampleTexts = ({ textPair }: Columns, text = "a text"): string =>
  textPair === undefined ? `["${text}"]` : `["${text}"], ["the other"]`

/** Returns code that loads the adapter, in Python with PEFT or transformers and with this library. */
const loadingCode = (source: Source, answer: PythonAnswer): string => {
  const { resolved } = source
  const where = peftReader(resolved.plan) !== null ? "In Python, with PEFT" : "In Python, with transformers"
  return [
    `${where}, from the folder in which training was started:`,
    fenced("python", pythonLines(source, answer)),
    inTypeScript(source, `predict([${exampleRow(resolved.plan.data)}])`)
  ].join("\n\n")
}

const pythonLines = (source: Source, { imports = [], answer }: PythonAnswer): ReadonlyArray<string> => {
  const { resolved, base, adapter } = source
  const trained = trainedLines(resolved)
  const { plan, model } = resolved
  const mean = model.head.pooling === "mean"
  const loadedClass = autoClassOf(model)
  const length = longestText(plan, model)
  return [
    ...imports,
    "import torch",
    ...(peftReader(plan) !== null ? ["from peft import PeftModel"] : []),
    ...(mean || peftReader(plan) === null ? ["from safetensors.torch import load_file"] : []),
    `from transformers import ${loadedClass}, AutoTokenizer`,
    "",
    `base = ${python(base)}`,
    `adapter = ${python(adapter)}`,
    `labels = ${JSON.stringify(model.labels)}`,
    "tokenizer = AutoTokenizer.from_pretrained(base)",
    mean
      ? "model = AutoModel.from_pretrained(base, dtype=torch.float32)"
      : `model = ${loadedClass}.from_pretrained(base, num_labels=len(labels), dtype=torch.float32)`,
    ...trained,
    "model.eval()",
    "",
    `batch = tokenizer(${exampleTexts(plan.data)}, padding=True, truncation=True, max_length=${length}, return_tensors="pt")`,
    "with torch.no_grad():",
    ...(mean
      ? [
          "    hidden = model(**batch).last_hidden_state",
          'mask = batch["attention_mask"].unsqueeze(-1)',
          "mean = (hidden * mask).sum(1) / mask.sum(1)",
          'head = load_file(f"{adapter}/head.safetensors")',
          'logits = mean @ head["weight"].T + head["bias"]'
        ]
      : ["    logits = model(**batch).logits"]),
    ...answer
  ]
}

/** Returns Python lines that load the trained tensors into `model`; empty for a head over mean pooling without adapted layers. */
const trainedLines = ({ plan, model, selected }: Source["resolved"]): ReadonlyArray<string> => {
  if (peftReader(plan) !== null) return ["model = PeftModel.from_pretrained(model, adapter)"]
  const needsState =
    headClassOf(model.head) !== undefined || selected.sites.length > 0 || selected.parameters.length > 0
  return needsState ? ['model.load_state_dict(load_file(f"{adapter}/trained.safetensors"), strict=False)'] : []
}

const usage = (
  model: ModelDescription,
  columns: Columns,
  maxLength: number,
  { loading, answer }: MergedPython
): ReadonlyArray<string> =>
  headClassOf(model.head) !== undefined
    ? [
        `It loads as transformers' \`${mergedClass(model)}\`.`,
        "",
        fenced("python", loading ?? [...classCode(autoClassOf(model), columns, maxLength), ...answer])
      ]
    : [
        `It loads as transformers' \`${mergedClass(model)}\`. The head, over the mean of the last hidden states, is not supported by transformers classes and is stored separately in \`head.safetensors\`: \`pipeline("text-classification")\` and \`AutoModelForSequenceClassification\` would use a random new head instead. To use the trained head:`,
        "",
        fenced("python", [...headCode(columns, maxLength), ...answer]),
        "",
        "`tfjs-lora-pro export RUN --format onnx` writes a folder with the head in its graph, for transformers.js pipelines and onnxruntime."
      ]

/** Returns the Auto class that loads a model with its head, or without one that no class has. */
const autoClassOf = ({ head }: ModelDescription): string => `AutoModel${headClassOf(head)?.suffix ?? ""}`

/** Returns Python code that computes `logits` of a text with the folder's own class, and its `labels`. */
const classCode = (autoClass: string, columns: Columns, maxLength: number): ReadonlyArray<string> => [
  "import torch",
  `from transformers import ${autoClass}, AutoTokenizer`,
  "",
  'folder = "path/to/this/folder"',
  "tokenizer = AutoTokenizer.from_pretrained(folder)",
  `model = ${autoClass}.from_pretrained(folder).eval()`,
  "labels = list(model.config.id2label.values())",
  batchLine(columns, maxLength),
  "with torch.no_grad():",
  "    logits = model(**batch).logits"
]

const headCode = (columns: Columns, maxLength: number): ReadonlyArray<string> => [
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

const batchLine = (columns: Columns, maxLength: number): string =>
  `batch = tokenizer(${exampleTexts(columns, "your text")}, return_tensors="pt", padding=True, truncation=True, max_length=${maxLength})`
