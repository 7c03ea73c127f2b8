/** `compare.md`: the tables of a verdict for a README or a bench page. */
import { count, fixed, number } from "../../output/report/numbers.ts"
import { briefly, type Difference, points as pointsOf } from "./difference.ts"
import { claimsOf, coverage, deviceLines, leadOf, runsOf } from "./sentences.ts"
import { type Columns, columnsOf, type Entry, type SweepRecord, type Table, type Verdict } from "./verdict.ts"

/** A label may hold what Markdown takes for its own. */
const cell = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("|", "\\|").replaceAll("\n", " ")

const row = (cells: ReadonlyArray<string>): string => `| ${cells.map(cell).join(" | ")} |`

const tableOf = (header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => [
  row(header),
  `|${"---|".repeat(header.length)}`,
  ...rows.map(row)
]

const points = (estimate: Entry["test"]): string => {
  if (estimate === null) return "–"
  const { mean, interval } = estimate
  const shown = (100 * mean).toFixed(1)
  return interval === null ? shown : `${shown} (${interval.map((end) => (100 * end).toFixed(1)).join(" to ")})`
}

/** `−2.0 (−12.4 to +8.4)`, bold where the two are told apart; in words where nothing may be said. */
const beside = (difference: Difference | null): string => {
  if (difference === null) return "–"
  const { claim, mean, interval, words } = difference
  if (mean === null || interval === null || claim === "nothing said") return words
  const shown = claim === "not told apart" ? pointsOf(mean) : `**${pointsOf(mean)}**`
  const { note } = briefly(difference)
  return `${shown} (${interval.map(pointsOf).join(" to ")})${note === null ? "" : `; ${note}`}`
}

/** The method's own distance to the full gradient, and the smallest that its factors allow. */
const distance = ({ discrepancy }: Entry): string =>
  discrepancy === null ? "–" : `${fixed(discrepancy.method)} (${fixed(discrepancy.best)})`

const runs = ({ done, failed, missing }: Entry): string => {
  const other = [failed > 0 ? `${failed} failed` : "", missing > 0 ? `${missing} missing` : ""]
  return [`${done}`, ...other.filter((part) => part !== "")].join(", ")
}

const megabytes = (bytes: number | null): string => (bytes === null ? "–" : fixed(bytes / 1e6, bytes < 1e7 ? 2 : 0))

const entryRow = (entry: Entry, { common, lora, full }: Columns, looked: boolean): ReadonlyArray<string> => [
  entry.name,
  entry.rank === null ? "–" : `${entry.rank}`,
  ...(common ? [] : [number(entry.learningRate)]),
  runs(entry),
  entry.validation === null ? "–" : (100 * entry.validation.mean).toFixed(1),
  points(entry.test),
  fixed(entry.testLoss?.mean),
  ...(lora ? [beside(entry.againstLora)] : []),
  ...(full ? [beside(entry.againstFull)] : []),
  ...(looked ? [distance(entry)] : []),
  entry.seconds === null ? "–" : fixed(entry.seconds, 1),
  megabytes(entry.peakBytes),
  entry.trainable === null ? "–" : count(Math.round(entry.trainable)),
  megabytes(entry.stateBytes)
]

const verdictTable = (table: Table): ReadonlyArray<string> => {
  const { entries, split } = table
  const columns = columnsOf(table)
  const looked = entries.some(({ discrepancy }) => discrepancy !== null)
  const header = [
    "method",
    "r",
    ...(columns.common ? [] : ["best rate"]),
    "runs",
    "validation, %",
    `${split}, % (95 % interval)`,
    `${split} loss`,
    ...(columns.lora ? ["beside LoRA, points (bold: told apart)"] : []),
    ...(columns.full ? ["beside full fine-tuning"] : []),
    ...(looked ? ["‖g − g̃‖/‖g‖ (best possible)"] : []),
    "seconds",
    "peak MB",
    "trained numbers",
    "state MB"
  ]
  return tableOf(
    header,
    entries.map((entry) => entryRow(entry, columns, looked))
  )
}

const sweepTable = (sweeps: ReadonlyArray<SweepRecord>): ReadonlyArray<string> =>
  tableOf(
    ["method", "rate: validation loss, mean over the sweep's seeds (the chosen one in bold)"],
    sweeps.map(({ name, points, best }) => [
      name,
      points
        .map(({ learningRate, loss, failed, share }) => {
          const notes = [failed > 0 ? `${failed} failed` : "", share < 1 ? `stopped at ${share} of the steps` : ""]
          const note = notes.filter((part) => part !== "").join(", ")
          const text = `${number(learningRate)}: ${fixed(loss)}${note === "" ? "" : ` (${note})`}`
          return learningRate === best ? `**${text}**` : text
        })
        .join(", ")
    ])
  )

const failures = ({ results }: Verdict): ReadonlyArray<string> =>
  runsOf(results)
    .filter(({ status }) => status === "failed")
    .map(({ trial, reason }) => `- ${trial.id}: ${cell(reason ?? "")}`)

export const markdownOf = (verdict: Verdict): string => {
  const { study, final, common, sweeps, warnings } = verdict
  const section = (title: string, lines: ReadonlyArray<string>) =>
    lines.length === 0 ? [] : [`## ${title}`, "", ...lines, ""]
  return [
    `# ${study.name}: methods compared`,
    "",
    leadOf(verdict),
    "",
    ...section(
      "At each method's best rate",
      final === null ? [] : [...verdictTable(final), "", coverage(final, study)]
    ),
    ...section(
      `At one rate for all, ${number(study.commonRate)}`,
      common === null
        ? []
        : [
            `Judged by accuracy on ${common.split}. ${claimsOf(common)}`,
            "",
            ...verdictTable(common),
            "",
            coverage(common, study)
          ]
    ),
    ...section("Rates", sweeps.length === 0 ? [] : sweepTable(sweeps)),
    ...section(
      "To know",
      warnings.map((warning) => `- ${cell(warning)}`)
    ),
    ...section("Failed runs", failures(verdict)),
    ...section("Plan and hardware", [
      `${study.plan.training.steps ?? "–"} steps of ${study.plan.training.batchSize * study.plan.training.accumulate} rows; sweep seeds ${study.seeds.join(", ")}, fresh seeds ${study.freshSeeds.join(", ")}.`,
      ...deviceLines(verdict)
    ])
  ].join("\n")
}
