/** What is made of a language model's run: a card, and the merged model as a Hugging Face folder, from a folder or a .gguf file. */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import { type Adapted, unadapted } from "../../../adapters/index.ts"
import { type CausalSplit, causalEvaluationBatches } from "../../data/causal/index.ts"
import type { DataError } from "../../data/index.ts"
import { Device } from "../../device/device.ts"
import { type CausalDescription, type CausalModel, openCausalModel, openSource } from "../../models/causal/index.ts"
import type { ModelError } from "../../models/index.ts"
import { causalMergedClass, changeOf, checkedSplit, fenced, trainedFor, writeMergedCausal } from "../../output/index.ts"
import type { Splits } from "../../plan/index.ts"
import type { World } from "../contract/index.ts"
import { mergedRun } from "../contract/merged-run.ts"
import { CHECKED_TEXTS, lastLogits } from "./logits.ts"
import type { LanguagePlan } from "./resolve.ts"

type AdaptedCausal = Adapted<CausalModel>

/** A language model with what it learned, whose rows can be asked. */
interface LanguageRun {
  readonly plan: LanguagePlan
  readonly adapted: AdaptedCausal
  readonly steps: number
  /** it learned conversations */
  readonly chat: boolean
  /** the rows of its plan, with the tokenizer of a model */
  readonly splits: (adapted: AdaptedCausal) => Effect.Effect<Splits<CausalSplit>, DataError | ModelError, World>
}

/** See `Publisher.merge`. */
export const mergedLanguage = (
  { plan, adapted, steps, chat, splits: open }: LanguageRun,
  run: string,
  folder: string
) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const { model } = adapted
    const change = changeOf(adapted, { alone: "modules trained themselves" })
    return yield* mergedRun({
      adapted,
      run,
      base: model.source,
      home: model.source.endsWith(".gguf") ? path.dirname(model.source) : model.source,
      width: model.vocabularySize,
      words: { output: "logit", answer: "next token" },
      unmerged: checkedLogits(adapted, plan, open),
      write: Effect.flatMap(openSource(model.source), (source) => writeMergedCausal(adapted, source, folder)),
      merged: Effect.gen(function* () {
        return yield* checkedLogits(yield* unadapted(yield* openCausalModel(folder)), plan, open)
      }),
      card: {
        pipeline: "text-generation",
        tags: chat ? ["conversational"] : [],
        introduction: [`A causal language model: ${change}${trainedFor(steps)}, merged into the base model.`],
        weights: plan.model.weights,
        compared: "at the last token of each row",
        usage: usage(model, chat)
      }
    })
  })

/**
 * Logits [rows, vocabulary] of what should follow the last token before the end, which has seen all before it: of rows that
 * were not trained on where there are any.
 */
const checkedLogits = (adapted: AdaptedCausal, plan: LanguagePlan, open: LanguageRun["splits"]) =>
  Effect.gen(function* () {
    const device = yield* Device
    const { tokenizer, maxLength } = adapted.model
    const splits = yield* open(adapted)
    const split = checkedSplit(splits)
    const batchSize = Math.min(plan.training.evaluateBatchSize, CHECKED_TEXTS)
    const batches = causalEvaluationBatches(splits[split]!, tokenizer, {
      batchSize,
      packing: false,
      maxLength: Math.min(plan.data.maxLength, maxLength),
      padMultiple: device.padMultiple,
      rows: CHECKED_TEXTS
    }).pipe(
      // a long text is several rows
      Stream.take(Math.ceil(CHECKED_TEXTS / batchSize))
    )
    return { outputs: yield* lastLogits(adapted, batches), split }
  }).pipe(Effect.scoped)

const usage = (model: CausalDescription, chat: boolean): ReadonlyArray<string> => [
  `It loads as transformers' \`${causalMergedClass(model)}\`.`,
  "",
  fenced("python", [
    "from transformers import pipeline",
    "",
    'generate = pipeline("text-generation", model="path/to/this/folder")',
    chat
      ? 'print(generate([{"role": "user", "content": "your question"}], max_new_tokens=64))'
      : 'print(generate("your prompt", max_new_tokens=64))'
  ]),
  "",
  "For llama.cpp, its own converter makes a GGUF file of it (`tfjs-lora-pro export` makes one of the run):",
  "",
  fenced("sh", ["python convert_hf_to_gguf.py --outfile model.gguf path/to/this/folder"])
]
