/** What is made of a language model's run: a card, and the merged model as a Hugging Face folder, from a folder or a .gguf file. */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import { type Adapted, unadapted } from "../../adapters/index.ts"
import { type CausalSplit, causalEvaluationBatches } from "../data/causal/index.ts"
import type { DataError } from "../data/index.ts"
import { Device } from "../device/device.ts"
import { type CausalDescription, type CausalModel, openCausalModel, openSource } from "../models/causal/index.ts"
import type { ModelError } from "../models/index.ts"
import {
  baseIdentity,
  causalMergedClass,
  changeOf,
  checkedSplit,
  codeSpan,
  fenced,
  mergedCard,
  readBaseCard,
  trainedFor,
  type WrittenModel,
  writeMergedCausal
} from "../output/index.ts"
import type { Splits } from "../plan/index.ts"
import type { World } from "./kind.ts"
import { CHECKED_TEXTS, lastLogits } from "./language-logits.ts"
import type { LanguagePlan } from "./language-resolve.ts"

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
    const device = yield* Device
    const { model } = adapted
    device.label("the unmerged model")
    const { logits: unmerged, split } = yield* checkedLogits(adapted, plan, open)
    const counts = yield* writeMergedCausal(adapted, yield* openSource(model.source), folder)
    yield* device.sync
    const home = model.source.endsWith(".gguf") ? path.dirname(model.source) : model.source
    const change = changeOf(adapted, { alone: "modules trained themselves" })
    const card = {
      name: path.basename(path.resolve(run)),
      method: adapted.method,
      pipeline: "text-generation",
      tags: chat ? ["conversational"] : [],
      license: (yield* readBaseCard(path.join(home, "README.md"))).license,
      introduction: [`A causal language model: ${change}${trainedFor(steps)}, merged into the base model.`],
      weights: plan.model.weights,
      base: yield* baseIdentity(model.source),
      counts,
      leftOut: leftOutNote(counts.leftOut),
      compared: "at the last token of each row",
      usage: usage(model, chat)
    }
    device.label("the merged model")
    const written: WrittenModel = {
      width: model.vocabularySize,
      words: { output: "logit", answer: "next token" },
      split,
      unmerged,
      merged: Effect.gen(function* () {
        const merged = yield* openCausalModel(folder)
        const alone = yield* unadapted(merged)
        return (yield* checkedLogits(alone, plan, open)).logits
      }),
      counts,
      readme: (check) => mergedCard({ ...card, check })
    }
    return written
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
    return { logits: yield* lastLogits(adapted, batches), split }
  }).pipe(Effect.scoped)

// Enough to recognise what it was; a vision tower has hundreds.
const SHOWN = 4

const leftOutNote = (leftOut: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (leftOut.length === 0) return []
  const more = leftOut.length > SHOWN ? ` and ${leftOut.length - SHOWN} more` : ""
  return [`Left out, since the model does not read them: ${leftOut.slice(0, SHOWN).map(codeSpan).join(", ")}${more}.`]
}

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
  "For llama.cpp, its own converter makes a GGUF file of it:",
  "",
  fenced("sh", ["python convert_hf_to_gguf.py --outfile model.gguf path/to/this/folder"])
]
