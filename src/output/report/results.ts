/** Results of a run: the metrics first, then curves, evaluations, the confusion matrix, and the misclassified rows. */

import { byteSize, capital, counted, duration, percent, score, wholeNumber } from "../../boundary/index.ts"
import { formatMetric, inWords, type Metrics, scoreOf } from "../../training/index.ts"
import { baselineText, checkpointText, shortfallText, stoppedText, warningTexts } from "../outcome.ts"
import { described, type Plot } from "./chart.ts"
import { type Html, html, raw } from "./html.ts"
import { type Confused, type Evaluation, isConfused, type ReportedKind, type RunRecord } from "./run-record.ts"

// Beyond this a table of all pairs is neither legible nor small; the pairs most often confused are listed instead.
const TABLE_CLASSES = 30
const PAIRS = 20

/** Returns the sentence that summarizes the result. */
export const gained = ({ run }: RunRecord, kind: ReportedKind): string =>
  [
    reached(run, kind),
    ...[shortfallText(kind, run)].filter((text) => text !== null),
    ...doingNothing(run, kind),
    ...(run.stopped == null ? [] : [`${capital(stoppedText(kind.metrics, run.stopped, run))}.`]),
    ...(run.kept == null ? [] : [`Saved ${checkpointText(kind.metrics, run.kept, run)}.`])
  ].join(" ")

/** Returns the baseline, and warnings of a run that does not beat it or learned nothing. */
const doingNothing = (run: RunRecord["run"], kind: ReportedKind): ReadonlyArray<string> => {
  const nothing = run.baseline?.[run.test === null ? "validation" : "test"] ?? null
  return [
    ...(nothing === null ? [] : [`${baselineText(kind.metrics, nothing)}.`]),
    ...warningTexts(kind, run).map((warning) => `Warning: ${warning}.`)
  ]
}

const reached = (run: RunRecord["run"], { metrics, headline }: ReportedKind): string => {
  const after = run.test ?? run.validation
  if (after === null) return "The plan has no validation or test split, so the gain is unknown."
  const [first, ...others] = headline
  const value = (evaluation: Evaluation, name: string) => formatMetric(metrics[name]!, scoreOf(evaluation, name))
  const also = others.map((name) => inWords(metrics[name]!, scoreOf(after, name)))
  const now = [
    `${capital(metrics[first]!.label)} on ${after.split} ${value(after, first)} (${counted(after.rows, "row")})`,
    ...also
  ].join(", ")
  const { before } = run
  if (before === null) return `${now}.`
  const values = headline.map((name) => value(before, name))
  const were = [values.slice(0, -1).join(", "), values.at(-1)].filter((part) => part !== "").join(" and ")
  return `${now}; before training ${were}, on ${counted(before.rows, "row")} of ${before.split}.`
}

/** Returns the metrics of an evaluation, except its loss, as names and values. */
const scoresOf = (evaluation: Evaluation, { loss: _, ...scores }: Metrics): ReadonlyArray<readonly [string, string]> =>
  Object.entries(scores).map(([name, metric]) => [metric.label, formatMetric(metric, scoreOf(evaluation, name))])

/** Returns the results and costs of a run as names and values. */
export const factsOf = (
  { run }: RunRecord,
  { metrics }: ReportedKind
): ReadonlyArray<readonly [name: string, value: string]> => {
  const after = run.test ?? run.validation
  return [
    ...(after === null
      ? []
      : ([
          ...scoresOf(after, metrics).map(([name, value]) => [`${capital(name)}, ${after.split}`, value] as const),
          [`Loss, ${after.split}`, score(after.loss)]
        ] as const)),
    ["Training loss, last tenth", score(run.trainLoss)],
    ["Trainable parameters", wholeNumber(run.trainable.total)],
    [
      "Steps",
      run.planned === undefined || run.planned === run.steps
        ? wholeNumber(run.steps)
        : `${wholeNumber(run.steps)} of ${wholeNumber(run.planned)}`
    ],
    ...(run.rate === undefined ? [] : [["Learning rate found before the first step", run.rate.reason] as const]),
    ...(run.kept == null ? [] : [["Adapter", capital(checkpointText(metrics, run.kept, run))] as const]),
    ["Training time", duration(run.seconds)],
    ["Peak memory", byteSize(run.peakBytes)]
  ]
}

export const facts = (record: RunRecord, kind: ReportedKind): Html => {
  const rows = factsOf(record, kind)
  return html`<dl class="facts">${rows.map(([term, value]) => html`<div${value.length > 24 && raw(' class="long"')}><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`
}

export const curves = (plots: ReadonlyArray<Plot>): Html => html`<section><h2>Curves</h2>
<p class="quiet">Horizontal axes count steps. For adapted layers, solid lines are the median and dashed lines the worst layer.</p>
<noscript><p>A script draws the curves; without it, read the description under each.</p></noscript>
<div class="grid">${plots.map(figure)}</div></section>`

export const figure = (plot: Plot): Html => {
  const scale = plot.logarithmic ? ", logarithmic" : ""
  return html`<figure><figcaption>${plot.title} <span class="quiet">${plot.unit}${scale}</span></figcaption>
<div class="plot" id="plot-${plot.id}" role="img" aria-label="${plot.title}. ${described(plot)}"></div>
<details><summary class="quiet">In words</summary><p class="quiet">${described(plot)}</p></details></figure>`
}

/** Evaluations in order, with the baseline on the same rows. */
export interface EvaluationRows {
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
  /** number of omitted evaluations: those of a long run with frequent evaluations are in its curve */
  readonly left: number
}

const FIRST_EVALUATIONS = 10
const LAST_EVALUATIONS = 50

export const evaluationRows = ({ evaluations, run }: RunRecord, { metrics }: ReportedKind): EvaluationRows => {
  const most = FIRST_EVALUATIONS + LAST_EVALUATIONS
  const tables =
    evaluations.length <= most
      ? evaluations
      : [...evaluations.slice(0, FIRST_EVALUATIONS), ...evaluations.slice(-LAST_EVALUATIONS)]
  const { loss: _, ...scores } = metrics
  const made = tables.map((one) => [
    one.split,
    wholeNumber(one.step),
    wholeNumber(one.rows),
    score(one.loss),
    ...scoresOf(one, metrics).map(([, value]) => value)
  ])
  const nothing = (["validation", "test"] as const).flatMap((split) => {
    const baseline = run.baseline?.[split] ?? null
    const rows = run[split]?.rows
    if (baseline === null || rows === undefined) return []
    const values = Object.entries(scores).map(([name, metric]) => formatMetric(metric, scoreOf(baseline.scores, name)))
    return [[`${split}, baseline`, "–", wholeNumber(rows), score(scoreOf(baseline.scores, "loss")), ...values]]
  })
  return {
    columns: ["split", "after step", "rows", "loss", ...Object.values(scores).map(({ label }) => label)],
    rows: [...made, ...nothing],
    left: evaluations.length - tables.length
  }
}

export const evaluationTable = (record: RunRecord, kind: ReportedKind): Html | null => {
  if (record.evaluations.length === 0) return null
  const { columns, rows, left } = evaluationRows(record, kind)
  return html`<section><h2>Evaluations</h2><div class="scroll" tabindex="0" role="region" aria-label="Evaluations"><table>
<caption>In order of step${left > 0 && `; ${left} between the first ${FIRST_EVALUATIONS} and the last ${LAST_EVALUATIONS} are left out`}</caption>
<thead><tr>${columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([split, ...cells]) =>
      html`<tr><th scope="row">${split}</th>${cells.map((text) => html`<td>${text}</td>`)}</tr>
`
  )}</tbody></table></div></section>`
}

export const confusions = ({ run }: RunRecord): Html | null => {
  const splits = [run.validation, run.test].filter((split) => split !== null).filter(isConfused)
  if (splits.length === 0) return null
  const table = run.labels.length <= TABLE_CLASSES ? matrix : pairs
  return html`<section><h2>Confusion matrix</h2><div class="grid">${splits.map((split) => table(split, run.labels))}</div></section>`
}

const matrix = ({ split, rows, confusion }: Confused, labels: ReadonlyArray<string>): Html => {
  const predicted = labels.map((_, j) => confusion.reduce((sum, row) => sum + row[j]!, 0))
  const line = (label: string, i: number) => {
    const row = confusion[i]!
    const all = row.reduce((sum, n) => sum + n, 0)
    const cells = row.map((n) => cell(n, all))
    const precision = predicted[i] === 0 ? null : row[i]! / predicted[i]!
    const recall = all === 0 ? null : row[i]! / all
    return html`<tr><th scope="row">${label}</th>${cells}<td>${percent(precision)}</td><td>${percent(recall)}</td></tr>`
  }
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Confusion, ${split}"><table>
<caption>${split}, ${counted(rows, "row")}</caption>
<thead><tr><th scope="col">true \\ predicted</th>${labels.map((label) => html`<th scope="col">${label}</th>`)}<th scope="col">precision</th><th scope="col">recall</th></tr></thead>
<tbody>${labels.map(line)}</tbody></table></div>`
}

const cell = (n: number, all: number): Html => {
  const share = all === 0 ? 0 : n / all
  return html`<td class="share" style="--share:${share.toFixed(3)}">${wholeNumber(n)}<small>${Math.round(100 * share)} %</small></td>`
}

const pairs = ({ split, rows, confusion }: Confused, labels: ReadonlyArray<string>): Html => {
  const wrong = confusion.flatMap((row, i) => row.flatMap((n, j) => (i === j || n === 0 ? [] : [{ i, j, n }])))
  const most = wrong.sort((a, b) => b.n - a.n || a.i - b.i || a.j - b.j).slice(0, PAIRS)
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Confusion, ${split}"><table>
<caption>${split}, ${counted(rows, "row")}, ${labels.length} classes: the pairs most often confused</caption>
<thead><tr><th scope="col">true</th><th scope="col" class="text">predicted</th><th scope="col">rows</th></tr></thead>
<tbody>${most.map(({ i, j, n }) => html`<tr><th scope="row">${labels[i]}</th><td class="text">${labels[j]}</td><td>${wholeNumber(n)}</td></tr>`)}</tbody></table></div>`
}

export const mistakes = ({ run, pictures }: RunRecord): Html | null => {
  const split = run.test ?? run.validation
  if (split === null) return null
  if (!isConfused(split))
    return run.mistakes.length === 0
      ? null
      : html`<section><h2>Largest errors</h2>
<p class="quiet">${run.mistakes.length} of the ${counted(split.rows, "row")} of ${split.split}, the worst first. Some may be errors in the data.</p>
${mistakeList(run.mistakes, pictures)}</section>`
  const correct = split.confusion.reduce((sum, row, i) => sum + row[i]!, 0)
  const all = split.rows - correct
  if (run.mistakes.length === 0) return html`<section><h2>Mistakes</h2><p>None on ${split.split}.</p></section>`
  return html`<section><h2>Mistakes</h2>
<p class="quiet">${run.mistakes.length} of the ${wholeNumber(all)} on ${split.split}, most confident first. Some may be wrong labels.</p>
${mistakeList(run.mistakes, pictures)}</section>`
}

const mistakeList = (mistakes: RunRecord["run"]["mistakes"], pictures: RunRecord["pictures"]): Html =>
  html`<ol class="mistakes">${mistakes.map(
    ({ text, textPair, label, predicted, probability, where }, i) =>
      html`<li>${pictureOf(pictures[i], `${text}, labelled ${label}, predicted ${predicted}`)}<q>${text}</q>${textPair === undefined ? "" : html`<br><q>${textPair}</q>`}<p>labelled <strong>${label}</strong>, predicted <strong>${predicted}</strong>${probability === undefined ? "" : ` at ${percent(probability)}`} · <span title="${where}">${where.split("/").slice(-2).join("/")}</span></p></li>
`
  )}</ol>`

const pictureOf = (picture: string | null | undefined, alternative: string): Html | "" =>
  picture == null ? "" : html`<img src="${picture}" alt="${alternative}">`
