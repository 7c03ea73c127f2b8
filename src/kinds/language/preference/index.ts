/** Causal language models on pairs of a better and a worse answer: plans. */

import * as Effect from "effect/Effect"
import type { PreferencePlan } from "../../../../schemas/index.ts"
import { score } from "../../../boundary/index.ts"
import { meanTokens, withTemplateDate } from "../../../data/causal/index.ts"
import { batchesPerEpoch } from "../../../data/index.ts"
import { type OpenedPreferences, openPreferences, sidesOf } from "../../../data/preference/index.ts"
import {
  type Choice,
  choice,
  type Detecting,
  findings,
  knobs,
  measured,
  rates,
  type Suggesting,
  sure
} from "../../../suggest/index.ts"
import { type Metrics, numberMetric, share } from "../../../training/index.ts"
import type { RunKind } from "../../contract/index.ts"
import { exampleOf, shownColumn, shownText } from "../../rows/columns.ts"
import { detectCausal } from "../causal/detect.ts"
import { cautions, chooseCausal, languageFacts, suggestCausal } from "../causal/suggest.ts"
import { estimateMemory, type LanguageRows, languageKind } from "../kind.ts"
import type { ResolvedPreferencePlan } from "./run.ts"

const signed = (value: number): string => `${value < 0 ? "−" : "+"}${score(Math.abs(value))}`

const metrics = {
  loss: numberMetric("loss", "preference loss", "lower", { type: "loss", name: "Preference loss" }, (value) =>
    value.toFixed(4)
  ),
  accuracy: { label: "reward accuracy", ...share, inWords: (value) => `the better answer preferred in ${value}` },
  margin: { label: "margin", unit: "rewards", format: signed, better: "higher" },
  chosenReward: { label: "reward of the preferred answer", unit: "reward", format: signed, better: null },
  rejectedReward: { label: "reward of the rejected answer", unit: "reward", format: signed, better: null }
} satisfies Metrics

/** Sequences per pair of a batch. */
const SEQUENCES = 2

const pairRows: LanguageRows<PreferencePlan, OpenedPreferences> = {
  open: ({ data, seed }, tokenizer) => openPreferences(data, seed, tokenizer),
  filled: (plan, { form }, tokenizer) => ({ ...plan, data: withTemplateDate({ ...plan.data, form }, tokenizer) }),
  batchesPerEpoch: ({ training: { batchSize } }, { splits }) =>
    Effect.succeed(batchesPerEpoch(splits.train.rows, batchSize)),
  tokens: ({ splits }, maxLength) =>
    Effect.map(meanTokens(sidesOf(splits.train), maxLength), (tokens) => SEQUENCES * tokens),
  sequences: SEQUENCES,
  sameRows: () => true
}

const loss: Choice = {
  path: "loss.kind",
  value: "dpo",
  reason:
    "with dpo, each pair moves the model away from the base model; orpo has no reference model and tends to memorise the preferred answers"
}

/** Adapts suggestions for conversations to pairs: no packing, and a learning rate for preferences. */
const ofPairs = (choice: Choice): ReadonlyArray<Choice> => {
  if (choice.path === "data.packing") return []
  if (choice.path !== "optimizer.learningRate") return [choice]
  return [measured(choice.path, rates.preference, "", findings.preferenceRate)]
}

const suggestPreference: Suggesting<ResolvedPreferencePlan> = {
  uncut: suggestCausal.uncut,
  heldOut: suggestCausal.heldOut,
  choose(full, heldOut) {
    const facts = { ...languageFacts("chat", full, heldOut), sequences: SEQUENCES }
    const choices = [loss, ...chooseCausal(facts).flatMap(ofPairs)]
    return { choices, cautions: cautions(facts, choices) }
  },
  turns: (choices) => knobs(choices, { method: null, packing: findings.decoderPacking, blocks: true, shortest: 64 }),
  estimate: (plan, { model, trainable, selected }) => estimateMemory(plan, model, trainable, selected.sites, SEQUENCES)
}

/** Common names of the two answers; the first are the defaults of a plan. */
const answers = [
  ["chosen", "rejected"],
  ["preferred_output", "non_preferred_output"],
  ["chosen_response", "rejected_response"],
  ["response_chosen", "response_rejected"],
  ["preferred", "dispreferred"]
] as const

const prompts = ["prompt", "question", "instruction", "query", "input"] as const

const format = (chosen: string, rejected: string): Choice =>
  choice(
    "data.format",
    "preference",
    `rows have a better answer ("${chosen}") and a worse one ("${rejected}") to the same prompt`
  )

const detectPreference: Detecting = {
  columns: { preference: ["prompt", "chosen", "rejected"] },
  takes: detectCausal.takes,
  needs: detectCausal.needs,
  hint: detectCausal.hint,
  rows: ({ content, rows }, columns) => {
    const has = (name: string) => rows.every((row) => row[name] !== undefined && row[name] !== null)
    const isNamed = columns.chosen !== undefined || columns.rejected !== undefined
    const answerNames = answers.find((names) => names.every(has))
    if (content !== "rows" || (!isNamed && answerNames === undefined)) return []
    const [usual] = answers
    const [chosen, rejected] = [
      columns.chosen ?? answerNames?.[0] ?? usual[0],
      columns.rejected ?? answerNames?.[1] ?? usual[1]
    ]
    const prompt = columns.prompt ?? prompts.find(has)
    const columnChoice = (path: string, name: string | undefined, usually: string, what: string) =>
      name === undefined || name === usually ? [] : [choice(`data.${path}`, name, `the column that holds ${what}`)]
    const isOpenAi = chosen === "preferred_output" && has("input")
    const mapping = choice(
      "data.mapping",
      "openai",
      'the columns "input" and "preferred_output" are those of OpenAI\'s form'
    )
    const named = { ...(prompt === undefined ? {} : { prompt }), chosen, rejected }
    return [
      {
        format: "preference",
        sentence: `which answers are better: ${shownColumn(chosen)} than ${shownColumn(rejected)}`,
        example: exampleOf(
          rows,
          { text: prompt ?? chosen },
          (row) => `${shownText(row[chosen])} rather than ${shownText(row[rejected])}`
        ),
        certainty: isNamed ? sure.named : sure.clearly,
        columns: isOpenAi ? {} : named,
        choices: [
          format(chosen, rejected),
          ...(isOpenAi
            ? [mapping]
            : [
                ...columnChoice("prompt", prompt, "prompt", "the prompt"),
                ...columnChoice("chosen", chosen, usual[0], "the better answer"),
                ...columnChoice("rejected", rejected, usual[1], "the worse answer")
              ])
        ]
      }
    ]
  }
}

export const preference: RunKind<PreferencePlan, ResolvedPreferencePlan> = languageKind({
  metrics,
  headline: ["accuracy", "margin", "loss"],
  baseline: () => ({ of: "a coin flip", scores: { accuracy: 0.5 } }),
  rows: pairRows,
  each: ", of two answers each",
  chats: ({ form }) => form !== "text",
  suggesting: suggestPreference,
  detecting: detectPreference,
  runner: () => import("./run.ts").then(({ runPreference }) => runPreference),
  publisher: () => import("./publish.ts").then(({ publishPreference }) => publishPreference)
})
