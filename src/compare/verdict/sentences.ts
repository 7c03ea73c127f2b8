/**
 * Sentences that every form of a verdict contains: which methods are ahead, what the intervals cover and what they do not, and on which devices.
 */
import { counted, number, percent, scientific, wholeNumber } from "../../boundary/index.ts"
import { drawn, formatValue, inPoints, type Measure, mostOf, signed } from "../measure.ts"
import type { TrialResult } from "../study.ts"
import { briefly, type Difference } from "./difference.ts"
import { mean } from "./statistics.ts"
import type { Entry, Table, Verdict } from "./verdict.ts"

const listed = (names: ReadonlyArray<string>): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`

type Named = { readonly name: string; readonly difference: Difference }

const withPoints =
  (measure: Measure) =>
  ({ name, difference }: Named): string => {
    const { note } = briefly(measure, difference)
    return `${name} (${signed(measure, difference.mean!)}${inPoints(measure)}${note === null ? "" : `; ${note}`})`
  }

/** Returns which methods are ahead of the baseline, behind it, or indistinguishable from it. */
const claims = (
  measure: Measure,
  entries: ReadonlyArray<Entry>,
  against: "againstLora" | "againstFull"
): string | null => {
  const all = entries.flatMap(({ name, [against]: difference }) => (difference === null ? [] : [{ name, difference }]))
  const of = (claim: Difference["claim"]) => all.filter(({ difference }) => difference.claim === claim)
  const baseline = against === "againstLora" ? "LoRA" : "full fine-tuning"
  const parts = [
    ["Ahead of", of("ahead").map(withPoints(measure))],
    ["Behind", of("behind").map(withPoints(measure))],
    ["Not distinguishable from", of("not told apart").map(({ name }) => name)]
  ] as const
  const clauses = parts.flatMap(([word, names]) =>
    names.length === 0 ? [] : [`${word} ${baseline}: ${listed(names)}`]
  )
  return clauses.length === 0 ? null : clauses.join(". ")
}

/** Returns the runs of the trials. A final and a common trial at one rate are one run. */
export const runsOf = (results: ReadonlyArray<TrialResult>): ReadonlyArray<TrialResult> => [
  ...new Map(results.map((result) => [result.directory, result])).values()
]

/** Returns how many runs of an entry finished, failed or are missing. */
export const runCounts = ({ done, failed, missing }: Entry): string =>
  [`${done}`, failed > 0 && `${failed} failed`, missing > 0 && `${missing} missing`].filter((part) => part).join(", ")

/** Formats bytes for a column in MB. */
export const megabytes = (bytes: number | null): string => number(bytes && bytes / 1e6)

/** Returns the claims of a table's differences, and no others. */
export const claimsOf = (measure: Measure, { entries }: Table): string => {
  // full fine-tuning minus LoRA is the negative of LoRA minus full fine-tuning: reported once if LoRA has one rank
  const loras = entries.filter(({ method }) => method === "lora")
  const once = loras.length === 1 && loras[0]!.againstFull !== null
  const againstFull = once ? entries.filter(({ method }) => method !== "lora") : entries
  const clauses = [claims(measure, entries, "againstLora"), claims(measure, againstFull, "againstFull")].filter(
    (part) => part !== null
  )
  return clauses.length === 0 ? "There are too few runs to compare the methods." : `${clauses.join(". ")}.`
}

/** Returns the sentences that summarize the verdict. */
export const leadOf = ({ final, common, results, study, measure }: Verdict): string => {
  const table = final ?? common
  const all = runsOf(results)
  const failed = all.filter(({ status }) => status === "failed").length
  const methods = counted(study.methods.length, "method")
  const runs = `${counted(all.length, "run")} of ${methods}${failed > 0 ? `, ${failed} of them failed` : ""}.`
  if (table === null) return `${runs} No fresh run has finished yet, so there is no verdict.`
  const where =
    table.stage === "final" ? "each method at its best rate" : `every method at ${scientific(study.commonRate)}`
  return `${runs} Judged by ${measure.label} on ${table.split}, ${where}. ${claimsOf(measure, table)}`
}

/** Returns the scope and the limits of a table's intervals. */
export const coverage = (
  { entries, rows, split, comparisons, baseline }: Table,
  { study: { freshSeeds, plan }, measure }: Pick<Verdict, "study" | "measure">
): string => {
  const means = entries.flatMap(({ test }) => (test === null ? [] : [test.mean]))
  const share = means.length === 0 || mostOf(measure) !== 1 ? null : mean(means)
  const error = share === null || rows === null || rows === 0 ? null : Math.sqrt((share * (1 - share)) / rows)
  const steps = plan.training.steps === undefined ? "" : ` after ${counted(plan.training.steps, "step")}`
  return [
    ...(baseline === null ? [] : [`Baseline (${baseline.of}): ${formatValue(measure, baseline.value)}.`]),
    `Means over ${counted(freshSeeds.length, "fresh seed")}${steps}.`,
    "Intervals are Student's t at 95 % and cover the effect of the seed (order of the rows, initialization of head and factors).",
    `They do not cover the choice of the ${rows === null ? "" : `${wholeNumber(rows)} `}${split} rows: ${
      error === null
        ? `with other rows, the ${measure.label} of all methods would change`
        : `with other rows, the ${measure.label} could change by ±${(100 * error).toFixed(1)} points (standard error at ${percent(share)}), differences between methods by less, where they misclassify the same rows`
    }. Claims are about these rows.`,
    comparisons > 1
      ? `Differences are paired by seed; ${comparisons} were tested together, and by Holm's correction the chance of even one false "ahead" or "behind" is 5 %. Intervals of differences are at the tested level.`
      : "Differences are paired by seed; their intervals are at 95 %."
  ].join(" ")
}

/** Returns the cells of one entry in the table of costs, in the order of `costHead`. */
export const costCells = (measure: Measure, entry: Entry, { entries }: Table): ReadonlyArray<string> => {
  const { stepSeconds, runSeconds, gain, gainPerSecond, gainPerMegabyte } = entry.cost
  const lora = entries.find(({ method, rank }) => method === "lora" && (rank === entry.rank || entry.rank === null))
  const [ownSeconds, loras] = [stepSeconds, lora?.cost.stepSeconds ?? null]
  const rate = (value: number | null) => (value === null ? "–" : number(drawn(measure, value)))
  return [
    number(stepSeconds && 1000 * stepSeconds),
    ownSeconds === null || loras === null || loras === 0 ? "–" : number(ownSeconds / loras),
    number(runSeconds),
    megabytes(entry.stateBytes),
    gain === null ? "–" : signed(measure, gain),
    rate(gainPerSecond),
    rate(gainPerMegabyte)
  ]
}

export const costHead = (measure: Measure): ReadonlyArray<string> => {
  const gain = inPoints(measure).trim() || measure.label
  return [
    "step, ms (median)",
    "step, of LoRA's",
    "run, s (median)",
    "state, MB",
    `gain, ${gain}`,
    `${gain} per second`,
    `${gain} per MB of state`
  ]
}

/** Returns the caption of the table of costs, and how reliable its times are. */
export const costWords = ({ baseline, beside, split }: Table, { label }: Measure): string =>
  [
    "Step and run: median training times over the fresh runs. State: memory of the optimizer state, as printed by `validate`.",
    `Gain: ${label} on ${split} over ${
      baseline === null ? "the model before training, on the same rows" : `the baseline (${baseline.of})`
    }; per second of a run, and per MB of state.`,
    beside === null
      ? "It is not recorded whether trials ran in parallel, so the times are only approximate."
      : beside.beside === 0
        ? "No other trial of the study ran in parallel."
        : `${beside.beside} of these ${beside.runs} runs trained in parallel with another trial of the study. On one machine such trials share the cores, so the times are only approximate; use --workers 1 to run them one at a time.`
  ].join(" ")

/** Returns one line for every device that ran trials, as it described itself, with the number of its runs. */
export const deviceLines = ({ results }: Verdict): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const { device } of runsOf(results)) {
    if (device === null) continue
    const words = Object.entries(device)
      .filter(([, value]) => value !== null && value !== undefined && typeof value !== "object")
      .map(([key, value]) => (key === "backend" ? `${value}` : `${key} ${value}`))
      .join(", ")
    counts.set(words, (counts.get(words) ?? 0) + 1)
  }
  return [...counts].map(([device, runs]) => `${counted(runs, "run")} on ${device}.`)
}
