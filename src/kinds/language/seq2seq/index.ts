/** Encoder-decoder models on texts with targets: plans. */
import * as Effect from "effect/Effect"
import type { Seq2SeqPlan } from "../../../../schemas/index.ts"
import { cut, listed, percent, printableLine, wholeNumber } from "../../../boundary/index.ts"
import type { LengthPercentiles } from "../../../data/index.ts"
import type { Seq2SeqDescription } from "../../../models/seq2seq/index.ts"
import type { Baseline, RunKind } from "../../contract/index.ts"
import { sampleTexts } from "../../rows/sample-texts.ts"
import { detectSeq2Seq } from "./detect.ts"
import {
  describeSeq2SeqPlan,
  type MeasuredSeq2Seq,
  type MeasuredSplit,
  type ResolvedSeq2SeqPlan,
  resolveSeq2Seq
} from "./resolve.ts"
import { alwaysF1, seq2seqMetrics } from "./scores.ts"
import { suggestSeq2Seq } from "./suggest.ts"

const labelText = (text: string): string => printableLine(cut(text, 60))

const lengthsText = ({ p50, p95, max, truncated }: LengthPercentiles): string =>
  `${p50} tokens (median), ${p95} (95 %), ${max} (longest)${truncated > 0 ? `; ${percent(truncated)} are cut` : ""}`

const rowsText = ({ rows, classes, sources, targets }: MeasuredSplit): string => {
  const counted = (classes ?? []).map(
    (target) =>
      `${labelText(target.label)} ${wholeNumber(target.rows)} (${percent(rows === 0 ? 0 : target.rows / rows)})`
  )
  return [
    ...(counted.length === 0 ? [] : [listed(counted).join(", ")]),
    `texts ${lengthsText(sources)}`,
    `targets ${lengthsText(targets)}`
  ].join("; ")
}

/** Returns the baseline: the most frequent target of the training rows for every row of a split. */
const usualBaseline = ({ usual, targets }: MeasuredSeq2Seq, split: "validation" | "test"): Baseline | null => {
  const exactMatch = usual.share[split]
  if (exactMatch === undefined) return null
  const closed = targets?.includes(usual.target) === true ? { macroF1: alwaysF1(exactMatch, targets.length) } : {}
  return { of: `always “${labelText(usual.target)}”, the most frequent target`, scores: { exactMatch, ...closed } }
}

export const seq2seq: RunKind<Seq2SeqPlan, ResolvedSeq2SeqPlan> = {
  metrics: seq2seqMetrics,
  headline: ["exactMatch", "loss"],
  baseline: usualBaseline,
  resolve: resolveSeq2Seq,
  describe: describeSeq2SeqPlan,
  baseOf: (_, { folder }) => folder,
  labelsOf: () => [],
  words: {
    model: ({ family, layers, decoderLayers, hiddenSize, vocabularySize }: Seq2SeqDescription) =>
      `${family} (${layers} + ${decoderLayers} layers, ${hiddenSize} wide, vocabulary ${wholeNumber(vocabularySize)})`,
    modelName: ({ family }) => family,
    untrained: () => "the base model",
    prediction: ({ label }) => label,
    rows: rowsText,
    lines: () => ({}),
    json: ({ model: { family, folder, tied, unusedTensors } }) => ({
      model: { family, source: folder, tied, unusedTensors }
    })
  },
  sample: ({ data }) => data.sample(),
  suggesting: suggestSeq2Seq,
  detecting: detectSeq2Seq,
  adopting: {
    sections: ({ config: { task, className } }, source) =>
      Effect.succeed(
        task === "SEQ_2_SEQ_LM" || (task === null && /T5ForConditionalGeneration$/.test(className ?? ""))
          ? { model: { source }, data: { format: "seq2seq", train: "none.jsonl" } }
          : null
      ),
    sample: () => sampleTexts.map((source, i) => ({ source, target: sampleTexts[(i + 1) % sampleTexts.length] }))
  },
  next: (_, run) => `generate ${run} "your text"`,
  runner: () => import("./run.ts").then(({ runSeq2Seq }) => runSeq2Seq),
  publisher: () => import("./publish.ts").then(({ publishSeq2Seq }) => publishSeq2Seq)
}
