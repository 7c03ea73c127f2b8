/**
 * Publishes runs of language models: the adapter's model card, and the merged model as a Hugging Face folder, from a folder or a .gguf
 * file.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import { type Adapted, unadapted } from "../../../adapters/index.ts"
import { type CausalSplit, causalEvaluationBatches } from "../../data/causal/index.ts"
import type { DataError } from "../../data/index.ts"
import { Device } from "../../device/device.ts"
import { type CausalDescription, type CausalModel, openCausalModel, openSource } from "../../models/causal/index.ts"
import type { ModelError } from "../../models/index.ts"
import {
  type CardParts,
  type CardSource,
  causalMergedClass,
  changeOf,
  fenced,
  fileName,
  inLlamaCpp,
  peftReader,
  python,
  trainedFor,
  writeMergedCausal
} from "../../output/index.ts"
import type { OpenedData, Splits } from "../../plan/index.ts"
import type { World } from "../contract/index.ts"
import { mergedRun } from "../contract/merged-run.ts"
import type { LanguagePlan, ResolvedLanguagePlan } from "./kind.ts"
import { CHECKED_TEXTS, lastLogits } from "./logits.ts"

type AdaptedCausal = Adapted<CausalModel>

/** A trained language model with the rows of its plan. */
interface LanguageRun {
  readonly plan: LanguagePlan
  readonly adapted: AdaptedCausal
  readonly steps: number
  /** whether it was trained on conversations */
  readonly chat: boolean
  /** opens the rows of its plan with the tokenizer of a model */
  readonly splits: (adapted: AdaptedCausal) => Effect.Effect<Splits<CausalSplit>, DataError | ModelError, World>
}

/** Merges a run and verifies the result; see `Publisher.merge`. */
export const mergedLanguage = ({ plan, adapted, steps, chat, splits }: LanguageRun, run: string, folder: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const { model } = adapted
    const change = changeOf(adapted, { alone: "modules trained in full" })
    return yield* mergedRun({
      adapted,
      run,
      base: model.source,
      home: model.source.endsWith(".gguf") ? path.dirname(model.source) : model.source,
      width: model.vocabularySize,
      words: { output: "logit", answer: "next token" },
      splits,
      outputs: (model, source) => checkedLogits(model, plan, source),
      write: Effect.flatMap(openSource(model.source), (source) => writeMergedCausal(adapted, source, folder)),
      reopened: Effect.flatMap(openCausalModel(folder), (model) => unadapted(model)),
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

/** Returns logits [rows, vocabulary] for the token after the last but one, predicted from all tokens before it. */
const checkedLogits = (adapted: AdaptedCausal, plan: LanguagePlan, source: CausalSplit) =>
  Effect.gen(function* () {
    const { padMultiple } = yield* Device
    const { tokenizer, maxLength } = adapted.model
    const batchSize = Math.min(plan.training.evaluateBatchSize, CHECKED_TEXTS)
    const batches = causalEvaluationBatches(source, tokenizer, {
      batchSize,
      packing: false,
      maxLength: Math.min(plan.data.maxLength, maxLength),
      padMultiple,
      rows: CHECKED_TEXTS
    }).pipe(
      // a long text becomes several rows
      Stream.take(Math.ceil(CHECKED_TEXTS / batchSize))
    )
    return yield* lastLogits(adapted, batches)
  })

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
  "Convert it to GGUF with llama.cpp's converter (or export the run with `tfjs-lora-pro export --format gguf`):",
  "",
  fenced("sh", ["python convert_hf_to_gguf.py --outfile model.gguf path/to/this/folder"])
]

type Source = CardSource<ResolvedLanguagePlan<LanguagePlan, OpenedData>>

/** Returns the parts of a model card. `learned`: the end of a sentence, "to continue …"; `settings`: additional rows of the table. */
export const languageCard = (source: Source, learned: string, settings: CardParts["settings"] = []): CardParts => ({
  pipeline: "text-generation",
  task: "text-generation",
  // language models have no new head
  alone: "Some modules",
  purpose: learned,
  settings: [["maximum tokens per row", source.resolved.plan.data.maxLength], ...settings],
  loading: loadingCode(source),
  limits: "may generate wrong statements as fluently as right ones."
})

/** Returns code that loads the model. transformers reads the same .gguf file, with dequantised weights. */
const loadingCode = (source: Source): string => {
  const { resolved, report, base, adapter } = source
  const gguf = /^(?:(.*)[\\/])?([^\\/]+\.gguf)$/.exec(base)
  const from = gguf === null ? python(base) : `${python(gguf[1] ?? ".")}, gguf_file=${python(gguf[2]!)}`
  const loaded =
    peftReader(resolved.plan) !== null
      ? [`model = PeftModel.from_pretrained(model, ${python(adapter)})`]
      : [`model.load_state_dict(load_file(${python(`${adapter}/trained.safetensors`)}), strict=False)`]
  const llamaCpp = llamaCppCode(source)
  return [
    "In Python, from the folder in which training was started:",
    fenced("python", [
      "import torch",
      peftReader(resolved.plan) !== null ? "from peft import PeftModel" : "from safetensors.torch import load_file",
      "from transformers import AutoModelForCausalLM, AutoTokenizer",
      "",
      `tokenizer = AutoTokenizer.from_pretrained(${from})`,
      `model = AutoModelForCausalLM.from_pretrained(${from}, dtype=torch.float32)`,
      ...loaded,
      "model.eval()",
      "",
      'batch = tokenizer("Once upon a time", return_tensors="pt")',
      "print(tokenizer.decode(model.generate(**batch, max_new_tokens=32, do_sample=False)[0]))"
    ]),
    llamaCpp.text,
    fenced("sh", llamaCpp.commands),
    "With tfjs-lora-pro:",
    fenced("sh", [`tfjs-lora-pro generate ${fileName(report.directory)} "Once upon a time"`])
  ].join("\n\n")
}

/** Quotes a text as one word of a shell's command line. */
const word = (text: string): string => (/^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text))

interface LlamaCppCode {
  readonly text: string
  readonly commands: ReadonlyArray<string>
}

const llamaCppCode = (source: Source): LlamaCppCode => {
  const { plan, model, selected } = source.resolved
  const verdict = inLlamaCpp({ model, config: plan.adapter, ...selected })
  return "reason" in verdict ? merged(source, verdict.reason) : converted(source, verdict.scale)
}

const converted = ({ base, adapter }: Source, scale: number): LlamaCppCode => {
  const gguf = base.endsWith(".gguf")
  const lora = scale === 1 ? "--lora adapter.gguf" : `--lora-scaled adapter.gguf:${scale}`
  const missing = "; its converter reads only `lora_alpha`, so the command line sets the remaining scale"
  return {
    text: `In llama.cpp, with the base model as a GGUF file${scale === 1 ? "" : missing}:`,
    commands: [
      `python convert_lora_to_gguf.py --base ${word(gguf ? adapter : base)} --outfile adapter.gguf ${word(adapter)}`,
      `llama-completion -m ${gguf ? word(base) : "base.gguf"} ${lora} -no-cnv -p "Once upon a time"`
    ]
  }
}

const merged = ({ report }: Source, reason: string): LlamaCppCode => {
  const run = fileName(report.directory)
  return {
    text: `In llama.cpp, merged. Its adapter converter does not support this adapter: ${reason}.`,
    commands: [
      `tfjs-lora-pro export ${word(run)} --format gguf`,
      `llama-completion -m ${word(`${run}/gguf/${run}-q8_0.gguf`)} -no-cnv -p "Once upon a time"`
    ]
  }
}
