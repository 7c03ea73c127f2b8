/** What is made of a classifier's run: a card for its adapter, and base + s·BA as a Hugging Face folder. */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import type { Adapted } from "../../../adapters/index.ts"
import type { ClassificationPlan } from "../../../schemas/index.ts"
import { type ClassificationSplit, evaluationBatches, type TextColumns } from "../../data/index.ts"
import { Device } from "../../device/device.ts"
import type { Model, ModelDescription } from "../../models/index.ts"
import {
  baseIdentity,
  CHECKED_ROWS,
  changeOf,
  checkedSplit,
  codeSpan,
  fenced,
  mergedCard,
  mergedClass,
  openMerged,
  peftReader,
  readBaseCard,
  trainedFor,
  type WrittenModel,
  writeMerged
} from "../../output/index.ts"
import { logitsOfRows } from "../../training/index.ts"
import { longestText } from "../encoder-resolve.ts"
import { exampleTexts, pipelineTexts } from "../encoder-words.ts"
import type { Publisher, Runner, Trained } from "../kind.ts"
import { classificationCard } from "./card.ts"
import type { ResolvedClassificationPlan } from "./resolve.ts"

type Open = Runner<ClassificationPlan, ResolvedClassificationPlan, Model, ClassificationSplit>["splits"]

export const publishClassification: Publisher<
  ClassificationPlan,
  ResolvedClassificationPlan,
  Model,
  ClassificationSplit
> = {
  readerOf: peftReader,
  card: classificationCard,
  merge: (trained, splits, run, folder) => merged(trained, splits, run, folder)
}

const merged = (
  { plan, adapted, steps }: Trained<ClassificationPlan, Model>,
  splits: Open,
  run: string,
  folder: string
) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const device = yield* Device
    const { model } = adapted
    const { labels } = model
    device.label("the unmerged model")
    const { logits: unmerged, split } = yield* checkedLogits(adapted, plan, splits)
    const counts = yield* writeMerged(adapted, folder)
    yield* device.sync
    const change = changeOf(adapted, { alone: "a classification head alone", beside: "a classification head" })
    const card = {
      name: path.basename(path.resolve(run)),
      method: adapted.method,
      pipeline: "text-classification",
      tags: [],
      license: (yield* readBaseCard(path.join(model.folder, "README.md"))).license,
      introduction: [
        `A text classifier: ${change}${trainedFor(steps)}, merged into the base model. Its classes, in the order of the logits:`,
        "",
        fenced("json", [JSON.stringify(labels)])
      ],
      weights: plan.model.weights,
      base: yield* baseIdentity(model.folder),
      counts,
      leftOut:
        counts.leftOut.length === 0
          ? []
          : [`Left out, since they are another head's: ${counts.leftOut.map(codeSpan).join(", ")}.`],
      usage: usage(model, plan.data, longestText(plan, model))
    }
    device.label("the merged model")
    const written: WrittenModel = {
      width: labels.length,
      words: { output: "logit", answer: "label" },
      split,
      unmerged,
      merged: Effect.flatMap(openMerged(folder, model), (merged) =>
        Effect.map(checkedLogits(merged, plan, splits), ({ logits }) => logits)
      ),
      counts,
      readme: (check) => mergedCard({ ...card, check })
    }
    return written
  })

/** Logits [rows, classes] of the rows that are compared, in their order. */
const checkedLogits = (adapted: Adapted, plan: ClassificationPlan, open: Open) =>
  Effect.gen(function* () {
    const device = yield* Device
    const splits = yield* open(adapted, plan)
    const split = checkedSplit(splits)
    const source = splits[split]!
    const rows = Math.min(CHECKED_ROWS, source.rows)
    const logits = yield* evaluationBatches(source, adapted.model.tokenizer, {
      batchSize: plan.training.evaluateBatchSize,
      maxLength: longestText(plan, adapted.model),
      padMultiple: device.padMultiple,
      rows
    }).pipe(logitsOfRows(adapted, rows))
    yield* device.sync
    return { logits, split }
  })

const usage = (model: ModelDescription, columns: TextColumns, length: number): ReadonlyArray<string> => {
  const own = model.head.pooling === "pooler"
  return [
    own
      ? `It loads as transformers' \`${mergedClass(model)}\`.`
      : `It loads as transformers' \`${mergedClass(model)}\`. The head, over the mean of the last hidden states, lies beside it in \`head.safetensors\`:`,
    "",
    fenced("python", own ? classifierCode(columns, length) : headCode(columns, length))
  ]
}

const classifierCode = (columns: TextColumns, maxLength: number): ReadonlyArray<string> => [
  "from transformers import pipeline",
  "",
  'classify = pipeline("text-classification", model="path/to/this/folder")',
  `print(classify(${pipelineTexts(columns)}, truncation=True, max_length=${maxLength}))`
]

const headCode = (columns: TextColumns, maxLength: number): ReadonlyArray<string> => [
  "import torch",
  "from safetensors.torch import load_file",
  "from transformers import AutoModel, AutoTokenizer",
  "",
  'folder = "path/to/this/folder"',
  "tokenizer = AutoTokenizer.from_pretrained(folder)",
  "model = AutoModel.from_pretrained(folder).eval()",
  'head = load_file(f"{folder}/head.safetensors")',
  `batch = tokenizer(${exampleTexts(columns, "your text")}, return_tensors="pt", padding=True, truncation=True, max_length=${maxLength})`,
  "with torch.no_grad():",
  "    hidden = model(**batch).last_hidden_state",
  '    mask = batch["attention_mask"].unsqueeze(-1)',
  "    pooled = (hidden * mask).sum(1) / mask.sum(1)",
  '    logits = pooled @ head["weight"].T + head["bias"]',
  "print([model.config.id2label[i] for i in logits.argmax(-1).tolist()])"
]
