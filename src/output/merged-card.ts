/**
 * `README.md` of a merged model, as the Hugging Face Hub expects it: what was merged into what, how far the result is from the
 * run it came from, and how to load it. Names and labels are the user's, so they are in YAML and in code as JSON strings.
 */
import type { Adapted, AdapterMethod } from "../../adapters/index.ts"
import type { Network } from "../models/index.ts"
import type { Packing } from "../numbers/index.ts"
import type { BaseIdentity } from "./inputs.ts"
import type { MergeCheck } from "./merge-check.ts"
import type { TensorCounts } from "./merged-tensors.ts"
import { fenced, markdown } from "./model-card/card-source.ts"
import { yamlString } from "./model-card/metadata.ts"

export interface MergedCard {
  /** of the run */
  readonly name: string
  /** the adapter's */
  readonly method: AdapterMethod<unknown>
  /** the Hub's */
  readonly pipeline: string
  readonly tags: ReadonlyArray<string>
  /** of the base, where its own card names one */
  readonly license: string | undefined
  /** what it is: lines under the title */
  readonly introduction: ReadonlyArray<string>
  /** how the run held the weights of linear layers */
  readonly weights: "f32" | Packing
  readonly base: BaseIdentity
  readonly counts: TensorCounts
  /** which tensors of the base are left out, and why */
  readonly leftOut: ReadonlyArray<string>
  /** what was compared: "at the last token of each row", and "label" or what else is the same in both */
  readonly compared: { readonly where?: string; readonly same: string }
  readonly check: MergeCheck
  /** how to load it */
  readonly usage: ReadonlyArray<string>
}

export const mergedCard = (card: MergedCard): string =>
  `${[frontMatter(card), title(card), provenance(card), ["## How to use it", "", ...card.usage].join("\n")].join("\n\n")}\n`

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

/** A run's base that was held in fewer bits is here as the run computed with it. */
const packedNote = ({ weights, counts }: MergedCard): string =>
  weights === "f32"
    ? ""
    : ` The base's linear layers were held as ${weights} in training and are here what that says, under what was trained${counts.rounded === 0 ? "" : ` and in ${counts.rounded} tensors by themselves`}.`

const provenance = (card: MergedCard): string => {
  const { base, counts, check, leftOut, compared } = card
  const where = compared.where === undefined ? "" : `, ${compared.where}`
  return [
    "## What it is made of",
    "",
    `Of the base's weights ${counts.copied} tensors are as they were and ${counts.merged} carry what was trained; all floats are float32.${packedNote(card)}`,
    ...leftOut,
    "",
    fenced("json", JSON.stringify({ base: lastSegment(base.path), sha256: base.sha256 }, null, 2).split("\n")),
    "",
    `Against the unmerged model${where}:`,
    "",
    `| rows | same ${compared.same} | largest logit | largest difference | of the largest logit |`,
    "|---|---|---|---|---|",
    `| ${check.rows} (${check.split}) | ${check.sameLabel} | ${check.largestLogit.toPrecision(4)} | ${check.largestDifference.toExponential(1)} | ${check.relativeDifference.toExponential(1)} (at most ${check.bound.toExponential(0)}) |`
  ].join("\n")
}

const lastSegment = (folder: string): string => folder.split(/[/\\]/).at(-1)!

/** What was trained, in words. `alone`: where no layer was adapted; `beside`: what is always trained with the layers. */
export const changeOf = <M extends Network>(
  { method, sites, parts, trainable }: Pick<Adapted<M>, "method" | "sites" | "parts" | "trainable">,
  { alone, beside }: { readonly alone: string; readonly beside?: string }
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
  const subtracted = (trainable.frozen ?? []).length > 0 ? ", less its init," : ""
  const also = beside === undefined ? "" : `, with ${beside}`
  return `${method.label} of rank ${ranks}${scales}${subtracted} in ${layers}${also}`
}
