/**
 * What a run gained, as numbers: before → after, the baseline, the interval that the rows of the split leave open, and whether to trust it. The
 * studio and report.html show it first (`gainView`).
 */
import { capital, counted } from "../../boundary/index.ts"
import { formatMetric, scoreOf } from "../../training/index.ts"
import { warningTexts } from "../outcome.ts"
import { type Evaluation, isConfused, type ReportedKind, type RunRecord } from "./run-record.ts"

/** A value on the bar of a gain. */
export interface Mark {
  /** "91.3 %" */
  readonly text: string
  /** its place on the bar, from 0 to 1 */
  readonly at: number
}

export interface Gain {
  /** "Accuracy" */
  readonly metric: string
  /** "test, 300 rows" */
  readonly on: string
  readonly after: Mark
  /** before training; null: not evaluated */
  readonly before: Mark | null
  /** null: not known */
  readonly baseline: Mark | null
  /** 95 %; null unless the metric is the share of rows that are predicted right */
  readonly interval: readonly [Mark, Mark] | null
  /** both ends of the bar */
  readonly ends: readonly [string, string]
  /** meaning of each mark on the bar */
  readonly legend: ReadonlyArray<{ readonly look: "interval" | "baseline" | "before"; readonly text: string }>
  readonly trust: Trust
}

export interface Trust {
  readonly tone: "good" | "warn" | "wrong" | "tint"
  /** "Clearly better than the baseline" */
  readonly title: string
  /** the reason, as sentences */
  readonly says: string
}

/** Of the normal distribution, for 95 %. */
const Z = 1.96

/** Returns the 95 % interval of a share of `rows` independent rows (Wilson 1927), as fractions. */
export const shareInterval = (share: number, rows: number): readonly [number, number] => {
  const spread = Z ** 2 / rows
  const middle = (share + spread / 2) / (1 + spread)
  const half = (Z * Math.sqrt((share * (1 - share) + spread / 4) / rows)) / (1 + spread)
  return [Math.max(0, middle - half), Math.min(1, middle + half)]
}

/** Where the value is the share of rows whose class is predicted right. */
const intervalOf = (evaluation: Evaluation, value: number): readonly [number, number] | null => {
  if (!isConfused(evaluation) || evaluation.rows === 0) return null
  const right = evaluation.confusion.reduce((sum, row, i) => sum + row[i]!, 0)
  return Math.abs(right / evaluation.rows - value) < 1e-6 ? shareInterval(value, evaluation.rows) : null
}

interface Compared {
  readonly metric: string
  readonly better: "higher" | "lower" | null
  readonly value: number
  readonly interval: readonly [number, number] | null
  readonly rows: number
  /** what the value is compared with: the baseline, else the model before training */
  readonly reference: { readonly name: string; readonly value: number } | null
  readonly write: (value: number) => string
  readonly warnings: ReadonlyArray<string>
  /** the rows chose the checkpoint, too */
  readonly chose: boolean
}

const trustOf = ({ metric, better, value, interval, rows, reference, write, warnings, chose }: Compared): Trust => {
  if (reference === null || better === null)
    return { tone: "tint", title: "Nothing to compare with", says: "There is no baseline for this metric." }
  const { name, value: than } = reference
  const isBetter = better === "higher" ? value > than : value < than
  const [low, high] = interval ?? [value, value]
  const range = `The 95 % interval for ${counted(rows, "row")}, ${write(low)} to ${write(high)},`
  if (!isBetter)
    return {
      tone: "wrong",
      title: `No better than ${name}`,
      says: `${capital(name)} reaches ${write(than)}, this run ${write(value)}.`
    }
  if (interval !== null && low <= than && than <= high)
    return {
      tone: "warn",
      title: "The difference may be chance",
      says: `${range} includes ${name}, ${write(than)}. Evaluate on more rows to be sure.`
    }
  if (warnings.length > 0)
    return {
      tone: "warn",
      title: `Better than ${name}, with a warning`,
      says: `Read the ${warnings.length === 1 ? "warning" : "warnings"} below before you use this run.`
    }
  const caveat = chose ? " These rows also chose the checkpoint: expect slightly less on new rows." : ""
  if (interval === null)
    return {
      tone: "good",
      title: `Better than ${name}`,
      says: `There is no interval for ${metric}: train with other seeds to see how much it varies.${caveat}`
    }
  return {
    tone: "good",
    title: `Clearly better than ${name}`,
    says: `${range} is ${better === "higher" ? "above" : "below"} ${name}, ${write(than)}.${caveat}`
  }
}

/** Returns null if no split was evaluated. */
export const gainOf = ({ run }: RunRecord, kind: ReportedKind): Gain | null => {
  const judged = run.test ?? run.validation
  const [name] = kind.headline
  const metric = kind.metrics[name]!
  const value = judged && scoreOf(judged, name)
  if (judged === null || value === null) return null
  const interval = intervalOf(judged, value)
  const known = run.baseline?.[run.test === null ? "validation" : "test"] ?? null
  const baseline = known && scoreOf(known.scores, name)
  const before = run.before && scoreOf(run.before, name)
  const write = (one: number) => formatMetric(metric, one)

  const values = [value, ...(interval ?? []), baseline, before].filter((one) => one !== null)
  // a bar is as long as its value: from 0, also where the least is 1, as for perplexity
  const least = Math.min(0, ...values)
  const most = Math.max(0, ...values)
  const [from, to] = metric.unit === "%" ? [0, 1] : [least, most + 0.1 * (most - least || 1)]
  const mark = (one: number): Mark => ({
    text: write(one),
    at: Math.min(1, Math.max(0, (one - from) / (to - from)))
  })
  const isSame = run.before?.split === judged.split && run.before.rows === judged.rows
  const others = isSame || run.before === null ? "" : ` (${run.before.split}, ${counted(run.before.rows, "row")})`
  return {
    metric: capital(metric.label),
    on: `${judged.split}, ${counted(judged.rows, "row")}${metric.better === "lower" ? " (lower is better)" : ""}`,
    after: mark(value),
    before: before === null ? null : mark(before),
    baseline: baseline === null ? null : mark(baseline),
    interval: interval && [mark(interval[0]), mark(interval[1])],
    ends: [write(from), write(to)],
    legend: [
      ...(interval === null
        ? []
        : [{ look: "interval", text: `95 % interval ${write(interval[0])} to ${write(interval[1])}` } as const]),
      ...(baseline === null ? [] : [{ look: "baseline", text: `baseline ${write(baseline)}: ${known!.of}` } as const]),
      ...(before === null ? [] : [{ look: "before", text: `before training ${write(before)}${others}` } as const])
    ],
    trust: trustOf({
      metric: metric.label,
      better: metric.better,
      value,
      interval,
      rows: judged.rows,
      reference:
        baseline !== null
          ? { name: "the baseline", value: baseline }
          : before !== null
            ? { name: "the model before training", value: before }
            : null,
      write,
      warnings: warningTexts(kind, run),
      chose: run.test === null && run.kept != null
    })
  }
}
