/** `README.md` of a merged causal model, as the Hugging Face Hub expects it; `merged-card.ts` for language models. */

import type { CausalDescription } from "../models/causal/index.ts"
import type { Packing } from "../numbers/index.ts"
import type { LinearSite } from "../tensors/index.ts"
import type { BaseIdentity } from "./base-identity.ts"
import type { MergeCheck } from "./merge-check.ts"
import { causalMergedClass } from "./merged-causal.ts"
import type { TensorCounts } from "./merged-tensors.ts"
import { codeSpan, markdown } from "./model-card/markdown.ts"
import { yamlString } from "./model-card/metadata.ts"
import { isPeftMethod } from "./peft/formats.ts"

export interface MergedCausalCard {
  readonly name: string
  readonly adapted: {
    readonly method: string
    readonly sites: ReadonlyArray<LinearSite>
    readonly pairs: ReadonlyArray<{ readonly rank: number; readonly scale: number; readonly subtracted: boolean }>
  }
  readonly model: CausalDescription
  /** how the run held the weights of linear layers */
  readonly weights: "f32" | Packing
  /** it learned from conversations */
  readonly chat: boolean
  readonly base: BaseIdentity
  /** of the base, where its own card names one */
  readonly license: string | undefined
  readonly steps: number
  readonly counts: TensorCounts
  readonly check: MergeCheck
}

export const mergedCausalCard = (card: MergedCausalCard): string =>
  `${[frontMatter(card), title(card), provenance(card), usage(card)].join("\n\n")}\n`

const fence = (language: string, lines: ReadonlyArray<string>): string =>
  [`\`\`\`${language}`, ...lines, "```"].join("\n")

const frontMatter = ({ license, adapted: { method }, chat }: MergedCausalCard): string =>
  [
    "---",
    "library_name: transformers",
    "pipeline_tag: text-generation",
    "tags:",
    ...(isPeftMethod(method) ? [`- ${method}`] : []),
    ...(chat ? ["- conversational"] : []),
    "- tfjs-lora-pro",
    ...(license === undefined ? [] : [`license: ${yamlString(license)}`]),
    "---"
  ].join("\n")

const title = ({ name, steps, adapted }: MergedCausalCard): string =>
  [
    `# ${markdown(name)}, merged`,
    "",
    `A causal language model: ${changeOf(adapted)}, trained for ${steps} steps and merged into the base model.`
  ].join("\n")

const names: Readonly<Record<string, string>> = { lora: "LoRA", dora: "DoRA", adalora: "AdaLoRA" }

/** What was trained, in words. */
const changeOf = ({ method, sites, pairs }: MergedCausalCard["adapted"]): string => {
  if (method === "none") return "modules trained themselves"
  if (!isPeftMethod(method)) return `${method} fine-tuning of ${sites.length} linear layers`
  const distinct = (values: ReadonlyArray<number>) =>
    [...new Set(values.map((value) => Number(value.toPrecision(4))))].sort((a, b) => a - b).join(", ")
  const start = pairs.some(({ subtracted }) => subtracted) ? ", less its start," : ""
  return `${names[method] ?? method} of rank ${distinct(pairs.map(({ rank }) => rank))} (s = ${distinct(pairs.map(({ scale }) => scale))})${start} in ${sites.length} linear layers`
}

/** A run's base that was held in fewer bits is here as the run computed with it. */
const packedNote = ({ weights, counts }: MergedCausalCard): string =>
  weights === "f32"
    ? ""
    : ` The base's linear layers were held as ${weights} in training and are here what that says, under what was trained${counts.rounded === 0 ? "" : ` and in ${counts.rounded} tensors by themselves`}.`

// Enough to recognise what it was; a vision tower has hundreds.
const SHOWN = 4

const leftOutNote = ({ counts: { leftOut } }: MergedCausalCard): ReadonlyArray<string> => {
  if (leftOut.length === 0) return []
  const more = leftOut.length > SHOWN ? ` and ${leftOut.length - SHOWN} more` : ""
  return [`Left out, since the model does not read them: ${leftOut.slice(0, SHOWN).map(codeSpan).join(", ")}${more}.`]
}

const provenance = (card: MergedCausalCard): string => {
  const { base, counts, check } = card
  return [
    "## What it is made of",
    "",
    `Of the base's weights ${counts.copied} tensors are as they were and ${counts.merged} carry what was trained; all are float32.${packedNote(card)}`,
    ...leftOutNote(card),
    "",
    fence("json", JSON.stringify({ base: base.path.split(/[/\\]/).at(-1), sha256: base.sha256 }, null, 2).split("\n")),
    "",
    "Against the unmerged model, at the last token of each row:",
    "",
    "| rows | same next token | largest logit | largest difference | of the largest logit |",
    "|---|---|---|---|---|",
    `| ${check.rows} (${check.split}) | ${check.sameLabel} | ${check.largestLogit.toPrecision(4)} | ${check.largestDifference.toExponential(1)} | ${check.relativeDifference.toExponential(1)} (at most ${check.bound.toExponential(0)}) |`
  ].join("\n")
}

const usage = ({ model, chat }: MergedCausalCard): string =>
  [
    "## How to use it",
    "",
    `It loads as transformers' \`${causalMergedClass(model)}\`.`,
    "",
    fence("python", [
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
    fence("sh", ["python convert_hf_to_gguf.py --outfile model.gguf path/to/this/folder"])
  ].join("\n")
