/** Encoder-decoder models: the adapter's model card, and the merged model as a Hugging Face folder. */
import * as Effect from "effect/Effect"
import { type Adapted, unadapted } from "../../../../adapters/index.ts"
import type { Seq2SeqPlan } from "../../../../schemas/index.ts"
import { type Seq2SeqSplit, seq2seqEvaluationBatches } from "../../../data/seq2seq/index.ts"
import { Device } from "../../../device/device.ts"
import { openSeq2SeqModel, type Seq2SeqModel, seq2seqFamilies } from "../../../models/seq2seq/index.ts"
import {
  type CardParts,
  type CardSource,
  changeOf,
  codeSpan,
  fenced,
  fileName,
  markdown,
  peftReader,
  python,
  trainedFor,
  writeMergedFolder
} from "../../../output/index.ts"
import type { Publisher } from "../../contract/index.ts"
import { mergedRun } from "../../contract/merged-run.ts"
import { WRITES_TOKENS } from "../../contract/served.ts"
import { CHECKED_TEXTS, lastLogits } from "../logits.ts"
import { encodingOf, type ResolvedSeq2SeqPlan } from "./resolve.ts"

// the Hub's name of the pipeline and of what its results are of: its list has none for models that read a text and write another
const TASK = "text-generation"

const classOf = (family: string): string => seq2seqFamilies[family as keyof typeof seq2seqFamilies].className

const example = ({ data: { prefix = "" } }: Seq2SeqPlan): string => python(`${prefix}your text`)

/** Returns Python code that generates a text with `model` and `tokenizer`. */
const writing = (plan: Seq2SeqPlan): ReadonlyArray<string> => [
  `batch = tokenizer(${example(plan)}, truncation=True, max_length=${plan.data.maxLength}, return_tensors="pt")`,
  `print(tokenizer.decode(model.generate(**batch, max_new_tokens=${plan.data.maxTargetLength})[0], skip_special_tokens=True))`
]

const purpose = ({ plan, data: { targets } }: ResolvedSeq2SeqPlan): string => {
  const { source, target, prefix } = plan.data
  const after = prefix === undefined ? "" : ` after ${codeSpan(prefix)}`
  const targetList = targets?.slice(0, 20).map(markdown).join(", ")
  const closed = targetList === undefined ? "" : `: one of ${targetList}`
  return `to write ${codeSpan(target)} for ${codeSpan(source)}${after}${closed}`
}

const card = ({ resolved, report, base, adapter }: CardSource<ResolvedSeq2SeqPlan>): CardParts => {
  const { plan } = resolved
  const peft = peftReader(plan) !== null
  return {
    pipeline: TASK,
    task: TASK,
    alone: "Some modules",
    purpose: purpose(resolved),
    settings: [
      ["maximum input tokens", plan.data.maxLength],
      ["maximum target tokens", plan.data.maxTargetLength],
      ...(plan.data.prefix === undefined ? [] : [["prefix of every input", plan.data.prefix] as const])
    ],
    loading: [
      "In Python, from the folder in which training was started:",
      fenced("python", [
        "import torch",
        peft ? "from peft import PeftModel" : "from safetensors.torch import load_file",
        "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer",
        "",
        `tokenizer = AutoTokenizer.from_pretrained(${python(base)})`,
        `model = AutoModelForSeq2SeqLM.from_pretrained(${python(base)}, dtype=torch.float32)`,
        peft
          ? `model = PeftModel.from_pretrained(model, ${python(adapter)})`
          : `model.load_state_dict(load_file(${python(`${adapter}/trained.safetensors`)}), strict=False)`,
        "model.eval()",
        "",
        ...writing(plan)
      ]),
      "With tfjs-lora-pro:",
      fenced("sh", [`tfjs-lora-pro generate ${fileName(report.directory)} "your text"`])
    ].join("\n\n"),
    limits: "writes an answer for every input, whatever its topic, and the answer may be wrong."
  }
}

export const publishSeq2Seq: Publisher<Seq2SeqPlan, ResolvedSeq2SeqPlan, Seq2SeqModel, Seq2SeqSplit> = {
  readerOf: peftReader,
  mergesInto: "huggingface",
  served: WRITES_TOKENS,
  card,
  merge: ({ plan, adapted, steps }, splits, run, folder) => {
    const { model } = adapted
    const logits = (merged: Adapted<Seq2SeqModel>, source: Seq2SeqSplit) =>
      Effect.gen(function* () {
        const { padMultiple } = yield* Device
        const batches = seq2seqEvaluationBatches(source, encodingOf(plan, merged.model, merged.model.tokenizer), {
          batchSize: Math.min(plan.training.evaluateBatchSize, CHECKED_TEXTS),
          padMultiple,
          rows: CHECKED_TEXTS
        })
        return yield* lastLogits(merged, batches)
      })
    return mergedRun({
      adapted,
      run,
      base: model.folder,
      width: model.vocabularySize,
      words: { output: "logit", answer: "token" },
      splits: (merged) => splits(merged, plan),
      outputs: logits,
      write: writeMergedFolder(adapted, folder, { config: { architectures: [classOf(model.family)] } }),
      reopened: Effect.flatMap(openSeq2SeqModel(folder, { seed: 0 }), (opened) => unadapted(opened)),
      card: {
        pipeline: TASK,
        introduction: [
          `A text-to-text model: ${changeOf(adapted, { alone: "modules trained in full" })}${trainedFor(steps)}, merged into the base model.`
        ],
        weights: plan.model.weights,
        compared: "at the last token of each row's target",
        usage: [
          `It loads as transformers' \`${classOf(model.family)}\`.`,
          "",
          fenced("python", [
            "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer",
            "",
            'folder = "path/to/this/folder"',
            "tokenizer = AutoTokenizer.from_pretrained(folder)",
            "model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()",
            ...writing(plan)
          ])
        ]
      }
    })
  }
}
