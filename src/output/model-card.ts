/**
 * Writes `adapter/README.md`, the model card that the Hugging Face Hub shows: YAML metadata for the Hub, then prose for people.
 *
 * Metadata: https://huggingface.co/docs/hub/model-cards (base_model, library_name, license, tags, metrics, model-index). Unknown fields are left
 * out: a license comes from the base folder's own card. A base given by an absolute path is named by its folder alone, since a published card
 * should not reveal a machine's folders.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { factsOfInit, factsOfMethod, factsOfOptimizer, type MethodFacts } from "../../schemas/index.ts"
import { type FileError, writeFileAtomic } from "../files/index.ts"
import { readBaseCard } from "../models/index.ts"
import { isPacking } from "../numbers/index.ts"
import type { ResolvedPlan } from "../plan/index.ts"
import { formatMetric, type Metrics, scoreOf } from "../training/index.ts"
import {
  type CardKind,
  type CardParts,
  type CardSource,
  codeSpan,
  fileName,
  markdown
} from "./model-card/card-source.ts"
import { metadata } from "./model-card/metadata.ts"
import { baselineText, checkpointText } from "./outcome.ts"
import type { EvaluationReport, RunReport } from "./run.ts"

/** Writes the model card of a finished run next to its adapter. */
export const writeModelCard = (
  kind: CardKind,
  resolved: ResolvedPlan,
  report: RunReport
): Effect.Effect<void, FileError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    // relative to the working directory, as the user gave them
    const publishable = (address: string) => (path.isAbsolute(address) ? path.basename(address) : address)
    const source: CardSource = {
      resolved,
      report,
      base: publishable(report.base.path),
      adapter: publishable(report.adapter),
      run: publishable(report.directory),
      baseCard: yield* readBaseCard(path.join(folderOf(path, resolved), "README.md"))
    }
    yield* writeFileAtomic(path.join(report.adapter, "README.md"), modelCard(source, kind))
  })

const folderOf = (path: Path.Path, resolved: ResolvedPlan): string =>
  /\.(json|gguf)$/.test(resolved.base) ? path.dirname(resolved.base) : resolved.base

const modelCard = (source: CardSource, kind: CardKind): string => {
  const parts = kind.card(source)
  return `${[
    metadata(source, kind.metrics, parts),
    `# ${markdown(source.report.name)}`,
    opening(source, parts),
    "## Results",
    results(source.report, kind.metrics),
    "## Base model",
    baseText(source),
    "## Data",
    dataText(source.report),
    "## Training procedure",
    procedure(source, parts, kind.metrics),
    "## How to use",
    parts.loading,
    "## Limitations",
    limitations(source, parts)
  ].join("\n\n")}\n`
}

/** Describes the adapter of a method. `alone`: the description if no layer is adapted. */
const kindOf = ({ trains, label }: MethodFacts, alone: string): string => {
  if (trains === "nothing") return alone
  return trains === "weights" ? "A full fine-tuning" : `${/^[AEIOU]/.test(label) ? "An" : "A"} ${label} adapter`
}

const opening = ({ resolved, base }: CardSource, { alone, purpose }: CardParts): string => {
  const { adapter, optimizer } = resolved.plan
  const { label, needs, paper } = factsOfOptimizer(optimizer)
  const trainer = needs === "nothing" ? "" : ` with ${label} ([arXiv ${paper}](https://arxiv.org/abs/${paper}))`
  return `${kindOf(factsOfMethod(adapter), alone)} over ${codeSpan(base)}, trained${trainer} by tfjs-lora-pro ${purpose}.`
}

const cells = (values: ReadonlyArray<string>): string => `| ${values.join(" | ")} |`

const table = (header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [cells(header), cells(header.map(() => "---")), ...rows.map(cells)].join("\n")

const results = ({ before, validation, test, baseline }: RunReport, metrics: Metrics): string => {
  const { loss, ...scores } = metrics
  const orderedMetrics = [...Object.entries(scores), ...(loss === undefined ? [] : [["loss", loss] as const])]
  const row = (when: string, report: EvaluationReport) => [
    when,
    report.split,
    `${report.rows}`,
    ...orderedMetrics.map(([name, metric]) => formatMetric(metric, scoreOf(report, name)))
  ]
  const after = [validation, test].filter((report) => report !== null)
  if (after.length === 0) return "It was not evaluated, so its quality is unknown."
  const rows = [...(before === null ? [] : [row("before", before)]), ...after.map((report) => row("after", report))]
  const sentences = after.flatMap(({ split }) => {
    const nothing = baseline[split]
    return nothing === null ? [] : [`${markdown(baselineText(metrics, nothing))} on ${split}.`]
  })
  return [
    table(["training", "split", "rows", ...orderedMetrics.map(([, { label }]) => label)], rows),
    ...sentences
  ].join("\n\n")
}

/** Notes that the rank in the files differs from the trained rank. */
const initNote = (adapter: ResolvedPlan["plan"]["adapter"]): string => {
  if (!("init" in adapter)) return ""
  const { subtracted, startsAsBase } = factsOfInit(adapter.init)
  if (!startsAsBase.holds)
    return ` Its initialization (${adapter.init.kind}) starts one gradient step away from the base model; "before training" means after that step.`
  return subtracted
    ? ` Its initialization (${adapter.init.kind}) has BA ≠ 0, which is subtracted: the file contains both as one pair of factors with twice the trained rank.`
    : ""
}

/** Notes that a loader which adds the adapter to the base on disk computes over other weights than the run did. */
const packedNote = (resolved: ResolvedPlan): string =>
  !("weights" in resolved.plan.model) || !isPacking(resolved.plan.model.weights)
    ? ""
    : ` Training used linear weights rounded to ${resolved.plan.model.weights}; with unrounded weights logits may differ slightly. \`merge\` writes the rounded weights.`

const baseText = ({ resolved, report, base, baseCard }: CardSource): string => {
  const originText =
    baseCard.baseModel === undefined ? "" : ` Its own card says it was made from ${codeSpan(baseCard.baseModel)}.`
  const hashes = Object.entries(report.base.sha256).map(([file, hash]) => [codeSpan(file), codeSpan(hash)])
  return `${codeSpan(base)}; the adapter belongs to exactly these weights.${packedNote(resolved)}${initNote(resolved.plan.adapter)}${originText}\n\n${table(["file", "SHA-256"], hashes)}`
}

const dataText = ({ data }: RunReport): string =>
  table(
    ["split", "file", "rows", "rows of each class"],
    data.map(({ split, where, rows, classes }) => {
      const listed = classes.slice(0, 30).map(({ label, rows }) => `${markdown(label)} ${rows}`)
      const more = classes.length > 30 ? [`${classes.length - 30} more`] : []
      return [split, markdown(fileName(where)), `${rows}`, [...listed, ...more].join(", ")]
    })
  )

/** Returns the row of ranks that differ from the plan's. */
const decidedRow = ({ selected: { ranks } }: ResolvedPlan): ReadonlyArray<readonly [string, string]> => {
  if (ranks === undefined) return []
  const all = Object.values(ranks)
  return [
    [
      "ranks chosen by the initialization",
      `${Math.min(...all)} to ${Math.max(...all)} a layer, by layer in adapter_config.json`
    ]
  ]
}

const procedure = (
  { resolved, report }: CardSource,
  { settings: kindSettings }: CardParts,
  metrics: Metrics
): string => {
  const { plan } = resolved
  const { kind: optimizer, schedule, ...settings } = plan.optimizer
  const rows: ReadonlyArray<readonly [string, unknown]> = [
    ...Object.entries(plan.adapter).map(([name, value]) => [`adapter.${name}`, value] as const),
    ["adapted layers", resolved.selected.sites.length],
    ...decidedRow(resolved),
    ["trainable parameters", `${report.trainable.total} of ${report.trainable.total + report.trainable.frozen}`],
    ["optimizer", optimizer],
    ...Object.entries(settings).map(([name, value]) => [`optimizer.${name}`, value] as const),
    ...(report.rate === undefined ? [] : [["learning rate (auto)", report.rate.reason] as const]),
    ["schedule", Object.entries(schedule).map(([name, value]) => (name === "kind" ? `${value}` : `${name} ${value}`))],
    ["steps", report.steps === report.planned ? report.steps : `${report.steps} of ${report.planned}`],
    ["state", report.kept === null ? null : checkpointText(metrics, report.kept, report)],
    ["rows per step", plan.training.batchSize * plan.training.accumulate],
    ...kindSettings,
    ["seed", plan.seed],
    [
      "versions",
      Object.entries(report.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(", ")
    ]
  ]
  return table(
    ["setting", "value"],
    rows.flatMap(([name, value]) => (inWords(value) === "" ? [] : [[name, markdown(inWords(value))]]))
  )
}

/** Formats a plan's value for a table: lists joined, alternatives by their kind, an empty text for unset values. */
const inWords = (value: unknown): string => {
  if (value === null || value === undefined) return ""
  if (Array.isArray(value))
    return value.map((item) => (typeof item === "object" ? JSON.stringify(item) : `${item}`)).join(", ")
  return typeof value === "object" ? Object.values(value).join(" ") : `${value}`
}

const limitations = ({ report }: CardSource, { limits }: CardParts): string => {
  const trainRows = report.data.find(({ split }) => split === "train")?.rows
  return `It was trained on ${trainRows ?? "no"} rows from one source and ${limits} It inherits the biases and gaps of the base model.`
}
