/** `compare.md`: the tables of a verdict for a README or a bench page. */
import { number, percent, scientific, score, wholeNumber } from "../../boundary/index.ts"
import { bare, inPoints, inUnit, type Measure, signed } from "../measure.ts"
import { briefly, type Difference } from "./difference.ts"
import {
  claimsOf,
  costCells,
  costHead,
  costWords,
  coverage,
  deviceLines,
  leadOf,
  megabytes,
  runCounts,
  runsOf
} from "./sentences.ts"
import { type Columns, columnsOf, type Entry, type SweepRecord, type Table, type Verdict } from "./verdict.ts"

/** Escapes a label for a Markdown table cell. */
const cell = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("|", "\\|").replaceAll("\n", " ")

const row = (cells: ReadonlyArray<string>): string => `| ${cells.map(cell).join(" | ")} |`

/** Returns a table in Markdown. */
export const tableOf = (
  header: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> => [row(header), `|${"---|".repeat(header.length)}`, ...rows.map(row)]

/** Formats a mean and its interval: "87.4 (86.0 to 88.8)". */
export const withInterval = (measure: Measure, estimate: Entry["test"]): string => {
  if (estimate === null) return "–"
  const { mean, interval } = estimate
  const meanText = bare(measure, mean)
  return interval === null ? meanText : `${meanText} (${interval.map((end) => bare(measure, end)).join(" to ")})`
}

/** Formats a significant difference; null: without emphasis. */
type Bold = ((text: string) => string) | null

const asterisks: Bold = (text) => `**${text}**`

/** Formats a difference: `−2.0 (−12.4 to +8.4)`, bold if the two are distinguishable, or words if there is no claim. */
const beside = (measure: Measure, difference: Difference | null, bold: Bold): string => {
  if (difference === null) return "–"
  const { claim, mean, interval, words } = difference
  if (mean === null || interval === null || claim === "nothing said") return words
  const points = (value: number) => signed(measure, value)
  const meanText = claim === "not told apart" || bold === null ? points(mean) : bold(points(mean))
  const { note } = briefly(measure, difference)
  return `${meanText} (${interval.map(points).join(" to ")})${note === null ? "" : `; ${note}`}`
}

/** Formats the method's distance to the full gradient, and the smallest that its factors allow. */
const distance = ({ discrepancy }: Entry): string =>
  discrepancy === null ? "–" : `${score(discrepancy.method)} (${score(discrepancy.best)})`

const entryRow = (
  measure: Measure,
  entry: Entry,
  { common, lora, full, discrepancy }: Columns,
  bold: Bold
): ReadonlyArray<string> => [
  entry.name,
  entry.rank === null ? "–" : `${entry.rank}`,
  ...(common ? [] : [scientific(entry.learningRate)]),
  runCounts(entry),
  entry.validation === null ? "–" : bare(measure, entry.validation.mean),
  withInterval(measure, entry.test),
  score(entry.testLoss?.mean),
  ...(lora ? [beside(measure, entry.againstLora, bold)] : []),
  ...(full ? [beside(measure, entry.againstFull, bold)] : []),
  ...(discrepancy ? [distance(entry)] : []),
  number(entry.seconds),
  megabytes(entry.peakBytes),
  wholeNumber(entry.trainable && Math.round(entry.trainable)),
  megabytes(entry.stateBytes)
]

/** Returns the rows of a verdict's table as text. */
export const cellsOf = (
  measure: Measure,
  table: Table,
  bold: Bold = null
): { readonly columns: ReadonlyArray<string>; readonly rows: ReadonlyArray<ReadonlyArray<string>> } => {
  const { entries, split } = table
  const columns = columnsOf(table)
  const header = [
    "method",
    "r",
    ...(columns.common ? [] : ["best rate"]),
    "runs",
    `validation${inUnit(measure)}`,
    `${split}${inUnit(measure)} (95 % interval)`,
    `${split} loss`,
    ...(columns.lora
      ? [`vs. LoRA${inPoints(measure).replace(" ", ", ")}${bold === null ? "" : " (bold: distinguishable)"}`]
      : []),
    ...(columns.full ? ["vs. full fine-tuning"] : []),
    ...(columns.discrepancy ? ["‖g − g̃‖/‖g‖ (best possible)"] : []),
    "seconds",
    "peak MB",
    "trainable parameters",
    "state MB"
  ]
  return { columns: header, rows: entries.map((entry) => entryRow(measure, entry, columns, bold)) }
}

const verdictTable = (measure: Measure, table: Table): ReadonlyArray<string> => {
  const { columns, rows } = cellsOf(measure, table, asterisks)
  return tableOf(columns, rows)
}

/** Returns the table of time and state compared with gains. */
const costTable = (measure: Measure, table: Table): ReadonlyArray<string> => [
  ...tableOf(
    ["method", "r", ...costHead(measure)],
    table.entries.map((entry) => [entry.name, `${entry.rank ?? "–"}`, ...costCells(measure, entry, table)])
  ),
  "",
  costWords(table, measure)
]

/** Formats the rates of a sweep with their validation losses, the chosen one in bold: "5e-4: 0.579, **1e-3: 0.348**". */
export const pointsOf = ({ points, best }: SweepRecord): string =>
  points
    .map(({ learningRate, loss, failed, share }) => {
      const notes = [failed > 0 ? `${failed} failed` : "", share < 1 ? `stopped at ${percent(share)} of the steps` : ""]
      const note = notes.filter((part) => part !== "").join(", ")
      const text = `${scientific(learningRate)}: ${score(loss)}${note === "" ? "" : ` (${note})`}`
      return learningRate === best ? `**${text}**` : text
    })
    .join(", ")

const sweepTable = (sweeps: ReadonlyArray<SweepRecord>): ReadonlyArray<string> =>
  tableOf(
    ["method", "rate: validation loss, mean over the sweep's seeds (the chosen one in bold)"],
    sweeps.map((sweep) => [sweep.name, pointsOf(sweep)])
  )

const failures = ({ results }: Verdict): ReadonlyArray<string> =>
  runsOf(results)
    .filter(({ status }) => status === "failed")
    .map(({ trial, reason }) => `- ${trial.id}: ${cell(reason ?? "")}`)

export const markdownOf = (verdict: Verdict): string => {
  const { study, measure, final, common, sweeps, warnings } = verdict
  const section = (title: string, lines: ReadonlyArray<string>) =>
    lines.length === 0 ? [] : [`## ${title}`, "", ...lines, ""]
  return [
    `# ${study.name}: methods compared`,
    "",
    leadOf(verdict),
    "",
    ...section(
      "At each method's best rate",
      final === null ? [] : [...verdictTable(measure, final), "", coverage(final, verdict)]
    ),
    ...section("What it costs at that rate", final === null ? [] : costTable(measure, final)),
    ...section(
      `At one rate for all, ${scientific(study.commonRate)}`,
      common === null
        ? []
        : [
            `Judged by ${measure.label} on ${common.split}. ${claimsOf(measure, common)}`,
            "",
            ...verdictTable(measure, common),
            "",
            coverage(common, verdict),
            "",
            ...costTable(measure, common)
          ]
    ),
    ...section("Rates", sweeps.length === 0 ? [] : sweepTable(sweeps)),
    ...section(
      "Notes",
      warnings.map((warning) => `- ${cell(warning)}`)
    ),
    ...section("Failed runs", failures(verdict)),
    ...section("Plan and hardware", [
      `${study.plan.training.steps ?? "–"} steps of ${study.plan.training.batchSize * study.plan.training.accumulate} rows; sweep seeds ${study.seeds.join(", ")}, fresh seeds ${study.freshSeeds.join(", ")}.`,
      ...deviceLines(verdict)
    ])
  ].join("\n")
}
