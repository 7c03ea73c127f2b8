/**
 * Checks that a merged model computes the same as the run, by comparing two sets of outputs on the same rows. Also writes the merged model's
 * `README.md`, the Hugging Face Hub's model card: what was merged into what, how far the result is from the run, and how to load it. Names and
 * labels are user input, so they appear in YAML and in code as JSON strings.
 */

import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Adapted, AdapterMethod } from "../../adapters/index.ts"
import { counted, number, scientific } from "../boundary/index.ts"
import type { Device } from "../device/index.ts"
import type { Sources } from "../hub/hub.ts"
import type { Network } from "../models/index.ts"
import { isPacking, type WeightForm } from "../numbers/index.ts"
import type { BaseIdentity } from "./inputs.ts"
import type { TensorCounts } from "./merged-tensors.ts"
import { fenced, markdown } from "./model-card/card-source.ts"
import { yamlString } from "./model-card/metadata.ts"

/**
 * Largest allowed ratio of |Δlogit| to the largest |logit| after a merge. The adapted layer computes x·Wᵀ + s·(xAᵀ)Bᵀ, the merged one x·(W +
 * s·BA)ᵀ: in float32 they differ by rounding, about 1e-6 after 2 to 12 layers. A missing tensor, a wrong scale or a swapped head shows at 1e-2 and
 * more. The bound is between the two.
 */
export const MERGE_BOUND = 1e-4

interface OutputComparison {
  /** number of compared rows */
  readonly rows: number
  /** largest |output| of the unmerged model */
  readonly largestLogit: number
  /** largest |merged − unmerged|; infinite if a difference is NaN */
  readonly largestDifference: number
  /** largestDifference / largestLogit; 0 if all outputs of both models are 0 */
  readonly relativeDifference: number
  /** number of rows whose largest output has the same index, the same label for logits; absent if outputs are not answers */
  readonly sameLabel?: number
}

/** Words for a model's outputs in messages: "logit", "value", "coordinate". */
export interface OutputWords {
  /** singular form */
  readonly output: string
  /** meaning of a row's largest output: "label", "next token"; null if the largest output has no meaning of its own */
  readonly answer: string | null
  /** what has outputs, in singular form; default "row" */
  readonly row?: string
}

/** Differences between the outputs of a merged model and those of the adapted one, and the bound that applied. */
export interface MergeCheck extends OutputComparison {
  /** words for the outputs */
  readonly words: OutputWords
  /** source of the rows */
  readonly split: "validation" | "test" | "train" | "sample"
  /** largest allowed `relativeDifference` */
  readonly bound: number
}

/** Returns ", trained for 80 steps", or an empty string for an external adapter, whose steps are unknown. */
export const trainedFor = (steps: number): string =>
  Number.isNaN(steps) ? "" : `, trained for ${counted(steps, "step")}`

/** Number of rows on which the two models are compared: few enough to take a moment, and outside the training split if possible. */
export const CHECKED_ROWS = 200

/** Returns the split whose rows are compared. */
export const checkedSplit = (
  splits: {
    readonly [S in "validation" | "test"]?: unknown
  }
): Exclude<MergeCheck["split"], "sample"> =>
  (["validation", "test"] as const).find((name) => splits[name] !== undefined) ?? "train"

/** A merged model on disk, with everything needed to compare it with the run after the run has left the device. */
export interface WrittenModel {
  /** outputs per row: classes, tokens of the vocabulary, or coordinates of a vector */
  readonly width: number
  /** words for the outputs */
  readonly words: OutputWords
  /** rows to compare: the validation split if there is one, else test, else train; "sample" for an external adapter */
  readonly split: MergeCheck["split"]
  /** outputs of the run on rows of the split, [rows, width] */
  readonly unmerged: Float32Array
  /** outputs of the model in the folder on the same rows, [rows, width] */
  readonly merged: Effect.Effect<
    Float32Array,
    {
      /** tag of the error, as in Effect's tagged errors */
      readonly _tag: string
      /** failure, in sentences */
      readonly message: string
    },
    Device | Sources | Scope.Scope
  >
  /** counts of tensors by origin */
  readonly counts: TensorCounts
  /** Returns its model card as Markdown, with the result of the comparison. */
  readonly readme: (check: MergeCheck) => string
}

/** Compares two sets of outputs, [rows, width] in row-major order. A difference that is NaN counts as infinite. */
export const compareOutputs = (
  unmerged: Float32Array,
  merged: Float32Array,
  width: number,
  { answer }: Pick<OutputWords, "answer">
): OutputComparison => {
  let largestLogit = 0
  let largestDifference = 0
  for (let i = 0; i < unmerged.length; i++) {
    const difference = Math.abs(merged[i]! - unmerged[i]!)
    largestLogit = Math.max(largestLogit, Math.abs(unmerged[i]!))
    largestDifference = Math.max(largestDifference, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference)
  }
  const rows = unmerged.length / width
  const best = (outputs: Float32Array, row: number) => {
    const rowOutputs = outputs.subarray(row * width, (row + 1) * width)
    return rowOutputs.indexOf(Math.max(...rowOutputs))
  }
  let sameLabel = 0
  for (let row = 0; row < rows; row++) if (best(unmerged, row) === best(merged, row)) sameLabel++
  const relativeDifference = largestDifference === 0 ? 0 : largestDifference / largestLogit
  const same = answer === null ? {} : { sameLabel }
  return { rows, largestLogit, largestDifference, relativeDifference, ...same }
}

/** Error of a merge whose model computes something different from the adapted one. The merged model is not written. */
export class MergeRefused extends Schema.TaggedError<MergeRefused>()("MergeRefused", {
  /** the run's folder */
  run: Schema.String,
  /** source of the compared rows: "validation", "test", "train" or "sample" */
  split: Schema.String,
  /** number of compared rows */
  rows: Schema.Int,
  /** largest |output| of the unmerged model */
  largestLogit: Schema.Number,
  /** largest |merged − unmerged|; infinite if a difference is NaN */
  largestDifference: Schema.Number,
  /** `largestDifference` / `largestLogit` */
  relativeDifference: Schema.Number,
  /** largest allowed `relativeDifference` */
  bound: Schema.Number,
  /** words for the outputs in the message */
  words: Schema.Struct({
    /** singular form: "logit" */
    output: Schema.String,
    /** meaning of a row's largest output; null: no meaning of its own */
    answer: Schema.NullOr(Schema.String),
    /** what has outputs; default "row" */
    row: Schema.optionalKey(Schema.String)
  })
}) {
  override get message() {
    const { output, row = "row" } = this.words
    const { largestDifference, largestLogit, relativeDifference, bound } = this
    return `${this.run}: the merged model differs from the trained one: on ${this.rows} ${this.split} ${row}s its ${output}s differ by up to ${number(largestDifference)}, ${scientific(relativeDifference, 2)} of the largest ${output}, ${number(largestLogit)} (allowed: ${scientific(bound)}); nothing was written. Merge on another device (--device wasm or cpu); if that fails too, please report it as a bug`
  }
}

/** Contents of a merged model's model card. */
export interface MergedCard {
  /** name of the run */
  readonly name: string
  /** method of the adapter */
  readonly method: AdapterMethod<unknown>
  /** pipeline tag of the Hub */
  readonly pipeline: string
  /** Hub tags, in addition to those of the method and this package */
  readonly tags: ReadonlyArray<string>
  /** license of the base model, if its model card names one */
  readonly license: string | undefined
  /** lines below the title that describe the model */
  readonly introduction: ReadonlyArray<string>
  /** precision of the weights of linear layers during training */
  readonly weights: WeightForm
  /** base model of the merge */
  readonly base: BaseIdentity
  /** counts of tensors by origin */
  readonly counts: TensorCounts
  /** tensors of the base that are left out, with the reasons */
  readonly leftOut: ReadonlyArray<string>
  /** positions at which outputs were compared: "at the last token of each row" */
  readonly compared?: string
  /** comparison with the unmerged model */
  readonly check: MergeCheck
  /** lines that show how to load the model */
  readonly usage: ReadonlyArray<string>
}

/** Returns the model card of a merged model as Markdown. */
export const mergedCard = (card: MergedCard): string =>
  `${[frontMatter(card), title(card), provenance(card), ["## How to use", "", ...card.usage].join("\n")].join("\n\n")}\n`

const frontMatter = ({ license, method, pipeline, tags }: MergedCard): string =>
  [
    "---",
    "library_name: transformers",
    `pipeline_tag: ${pipeline}`,
    "tags:",
    ...[...(method.peft.layout === null ? [] : [method.tag]), ...tags, "tfjs-lora-pro"].map((tag) => `- ${tag}`),
    ...(license === undefined ? [] : [`license: ${yamlString(license)}`]),
    "---"
  ].join("\n")

const title = ({ name, introduction }: MergedCard): string =>
  [`# ${markdown(name)}, merged`, "", ...introduction].join("\n")

/** Notes that a base that the run held in fewer bits is dequantized here. */
const packedNote = ({ weights, counts }: MergedCard): string =>
  !isPacking(weights)
    ? ""
    : ` During training the base's linear layers were stored as ${weights}; here they have these rounded values, with the adapter added${counts.rounded === 0 ? "" : `, or without it in ${counts.rounded} tensors`}.`

const provenance = (card: MergedCard): string => {
  const { base, counts, check, leftOut, compared } = card
  const where = compared === undefined ? "" : `, ${compared}`
  const { output, answer } = check.words
  const same = answer === null ? ["", "", ""] : [` same ${answer} |`, "---|", ` ${check.sameLabel} |`]
  return [
    "## Contents",
    "",
    `${counts.copied} tensors of the base model are unchanged, and ${counts.merged} include the adapter; all floats are float32.${packedNote(card)}`,
    ...leftOut,
    "",
    fenced("json", JSON.stringify({ base: lastSegment(base.path), sha256: base.sha256 }, null, 2).split("\n")),
    "",
    `Compared with the unmerged model${where}:`,
    "",
    `| rows |${same[0]} largest ${output} | largest difference | of the largest ${output} |`,
    `|---|${same[1]}---|---|---|`,
    `| ${check.rows} (${check.split}) |${same[2]} ${number(check.largestLogit, 4)} | ${scientific(check.largestDifference, 2)} | ${scientific(check.relativeDifference, 2)} (at most ${scientific(check.bound)}) |`
  ].join("\n")
}

const lastSegment = (folder: string): string => folder.split(/[/\\]/).at(-1)!

/** Describes the trained parts in words. */
export const changeOf = <M extends Network>(
  { method, sites, parts, trainable }: Pick<Adapted<M>, "method" | "sites" | "parts" | "trainable">,
  {
    alone,
    beside
  }: {
    /** text if no layer was adapted */
    readonly alone: string
    /** parameters that are always trained along with the layers: "a new head"; absent: none */
    readonly beside?: string
  }
): string => {
  if (method.trains === "nothing") return alone
  const layers = `${sites.length} linear layers`
  if (method.peft.layout === null)
    return `${method.tag} fine-tuning of ${layers}${beside === undefined ? "" : ` and ${beside}`}`
  const distinct = (values: ReadonlyArray<number>) =>
    [...new Set(values.map((value) => Number(value.toPrecision(4))))].sort((a, b) => a - b).join(", ")
  const ranks = distinct(parts(trainable).flatMap(({ options }) => method.columns(options)["rank"] ?? []))
  const { pairs } = trainable
  const scales = pairs.length === 0 ? "" : ` (s = ${distinct(pairs.map(({ scale }) => scale))})`
  const subtracted = (trainable.frozen ?? []).length > 0 ? ", with its initialization subtracted," : ""
  const also = beside === undefined ? "" : `, with ${beside}`
  return `${method.label} of rank ${ranks}${scales}${subtracted} in ${layers}${also}`
}
