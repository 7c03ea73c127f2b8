/** Tables of a comparison's page: the verdict, the rates of the sweep, every run, and the failures. */
import { counted, duration, percent, scientific, score, wholeNumber } from "../../../boundary/index.ts"
import { type Html, html, type Insertable } from "../../../output/report/index.ts"
import { bare, formatValue, type Measure } from "../../measure.ts"
import { briefly, type Difference } from "../difference.ts"
import { costCells, costHead, costWords, coverage, megabytes, runCounts, runsOf } from "../sentences.ts"
import { type Columns, columnsOf, type Entry, type Table, type Verdict } from "../verdict.ts"

/** Returns a table that scrolls, also by keyboard. */
export const scrolled = (label: string, caption: Insertable, head: ReadonlyArray<string>, body: Insertable): Html =>
  html`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table><caption>${caption}</caption>
<thead><tr>${head.map((name) => html`<th scope="col" class="${name.startsWith("vs. ") ? "text" : "number"}">${name}</th>`)}</tr></thead><tbody>${body}</tbody></table></div>`

const interval = (measure: Measure, estimate: Entry["test"]): Html | string => {
  if (estimate === null) return "–"
  const { mean, interval } = estimate
  const middle = formatValue(measure, mean)
  if (interval === null) return middle
  const [low, high] = interval.map((end) => bare(measure, end))
  return html`${middle}<br><span class="quiet">${low} to ${high}</span>`
}

const beside = (measure: Measure, difference: Difference | null): Html => {
  if (difference === null) return html`<td class="text">–</td>`
  const { said, interval, note } = briefly(measure, difference)
  const details = [interval, note].filter((part) => part !== null).join("; ")
  return html`<td class="text difference ${difference.claim.replaceAll(" ", "-")}">${said}${details !== "" && html`<br><span class="quiet">${details}</span>`}</td>`
}

const entryRow = (
  measure: Measure,
  entry: Entry,
  { common, lora, full, discrepancy: hasDiscrepancy }: Columns
): Html => {
  const { name, learningRate, validation, test, testLoss, scores, discrepancy } = entry
  return html`<tr class="${entry.done === 0 ? "failed" : "run"}"><th scope="row">${name}</th><td>${entry.rank ?? "–"}</td>${!common && html`<td>${scientific(learningRate)}</td>`}<td>${runCounts(entry)}</td><td>${formatValue(measure, validation?.mean)}</td><td>${interval(measure, test)}</td>
<td>${score(testLoss?.mean)}</td>${measure.others.map((metric) => html`<td>${formatValue(metric, scores[metric.name]?.mean)}</td>`)}${lora && beside(measure, entry.againstLora)}${full && beside(measure, entry.againstFull)}
<td>${duration(entry.seconds)}</td><td>${megabytes(entry.peakBytes)}</td><td>${wholeNumber(entry.trainable && Math.round(entry.trainable))}</td><td>${megabytes(entry.stateBytes)}</td>${hasDiscrepancy && html`<td>${discrepancy === null ? "–" : html`${score(discrepancy.method)} <span class="quiet">(${score(discrepancy.best)})</span>`}</td>`}</tr>
`
}

export const verdictTable = (table: Table, verdict: Verdict): Html => {
  const { split, entries } = table
  const columns = columnsOf(table)
  const head = [
    "method",
    "rank",
    ...(columns.common ? [] : ["best rate"]),
    "runs",
    "validation",
    `${split}, 95 % interval`,
    `${split} loss`,
    ...verdict.measure.others.map(({ label }) => label),
    ...(columns.lora ? ["vs. LoRA"] : []),
    ...(columns.full ? ["vs. full fine-tuning"] : []),
    "training",
    "peak MB",
    "trainable parameters",
    "state MB",
    ...(columns.discrepancy ? ["discrepancy (best possible)"] : [])
  ]
  const label = columns.common ? "Methods at one rate" : "Methods at their best rates"
  return html`${scrolled(
    label,
    `${label}, fresh seeds`,
    head,
    entries.map((entry) => entryRow(verdict.measure, entry, columns))
  )}
<p class="quiet">${coverage(table, verdict)} Peak memory is the process's largest resident size in any of the runs; state is the optimizer's.</p>`
}

/** Returns the table of time and state compared with gains. */
export const costTable = (table: Table, { measure }: Verdict): Html => {
  const rows = table.entries.map(
    (entry) =>
      html`<tr><th scope="row">${entry.name}</th><td>${entry.rank ?? "–"}</td>${costCells(measure, entry, table).map((cell) => html`<td>${cell}</td>`)}</tr>
`
  )
  const words = costWords(table, measure).replaceAll("`", "")
  return html`${scrolled("What methods cost", "Time and state, with the gain", ["method", "rank", ...costHead(measure)], rows)}
<p class="quiet">${words}</p>`
}

export const sweepTable = ({ sweeps, measure }: Verdict): Html | null => {
  if (sweeps.length === 0) return null
  const rows = sweeps.flatMap(({ name, points, best }) =>
    points.map(
      ({ learningRate, loss, scores, done, failed, share }) =>
        html`<tr><th scope="row">${name}</th><td class="${learningRate === best ? "chosen" : "rate"}">${scientific(learningRate)}${learningRate === best && " (chosen)"}</td><td>${score(loss)}</td><td>${formatValue(measure, scores[measure.name])}</td><td>${done}</td><td>${failed}</td><td>${percent(share)}</td></tr>
`
    )
  )
  const head = ["method", "rate", "validation loss", `validation ${measure.label}`, "runs", "failed", "of the steps"]
  return html`<details><summary>All rates as a table</summary>${scrolled("Rates of the sweep", "Means over the sweep's seeds", head, rows)}</details>`
}

export const failedRuns = ({ results }: Verdict): Html | null => {
  const all = runsOf(results)
  const failed = all.filter(({ status }) => status === "failed")
  if (failed.length === 0) return null
  const rows = failed.map(
    ({ trial, directory, reason }) =>
      html`<tr><th scope="row">${trial.id}</th><td class="text">${reason ?? "no reason was given"}</td><td class="text">${directory}</td></tr>
`
  )
  return html`<section><h2>Failed runs</h2><p>${failed.length} of ${all.length}. They are results: a method that diverges at a rate does so for every user of that rate.</p>
${scrolled("Failed runs", "Their reasons", ["run", "reason", "folder"], rows)}</section>`
}

export const allRuns = ({ results, measure }: Verdict): Html => {
  const rows = results.map(
    ({ trial, status, validation, test, trainLoss, seconds, peakBytes, steps }) =>
      html`<tr><th scope="row">${trial.id}</th><td>${status}</td><td>${steps ?? "–"}</td><td>${score(trainLoss)}</td><td>${score(validation?.loss)}</td><td>${formatValue(measure, validation?.[measure.name])}</td><td>${score(test?.loss)}</td><td>${formatValue(measure, test?.[measure.name])}</td><td>${duration(seconds)}</td><td>${megabytes(peakBytes)}</td></tr>
`
  )
  const head = [
    "run",
    "status",
    "steps",
    "training loss",
    "validation loss",
    "validation",
    "test loss",
    "test",
    "training",
    "peak MB"
  ]
  return html`<section><h2>All runs</h2><details><summary>${counted(results.length, "trial")}</summary>${scrolled("All runs", "One line per trial; a final and a common trial at one rate are the same run", head, rows)}</details></section>`
}
