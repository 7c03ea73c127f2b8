/** Labelled rows of numbers and a `tf.LayersModel`: values of a plan, a rule for each, and which columns of the rows hold what. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { dataError, firstRows, inputReader, listIn, matching, numberIn } from "../../data/index.ts"
import { readTextFile } from "../../files/index.ts"
import {
  type Choice,
  type Columns,
  choice,
  count,
  type DetectedRows,
  type Detecting,
  evaluatedRows,
  evaluation,
  fewOfEach,
  findings,
  heldOutLabelled,
  knobs,
  layersRank,
  MOST_PASSES,
  MOST_ROWS_SEEN,
  measured,
  NAMED,
  nothingToEvaluate,
  PROBED_ROWS,
  passesOf,
  type Row,
  ranks,
  rates,
  rowsOfStep,
  rowsSeen,
  type Suggesting,
  scale,
  someLabelled,
  warmup
} from "../../suggest/index.ts"
import type { LinearSite } from "../../tensors/index.ts"
import { estimateMemory, type ResolvedArraysPlan } from "./resolve.ts"

// 60 steps are the fewest that were measured, batches of 32 the only ones
const STEP = { largest: 32, smallest: 4, steps: 60 } as const

const length = (rows: number): ReadonlyArray<Choice> => {
  const wanted = Math.max(rowsSeen.images, rows)
  const seen = Math.min(wanted, MOST_PASSES * rows, MOST_ROWS_SEEN)
  const batch = rowsOfStep(seen, STEP)
  const steps = Math.max(1, Math.round(seen / batch))
  const limit =
    seen === wanted
      ? ""
      : seen === MOST_ROWS_SEEN
        ? "; nothing as long was measured, and a first run need not be longer"
        : `; ${MOST_PASSES} passes at most, since a row that is seen more often teaches little but itself`
  const fewer = batch < STEP.largest ? `${STEP.largest} would leave a run of fewer than ${STEP.steps} steps` : ""
  return [
    measured("training.steps", steps, `${passesOf(steps * batch, rows)}${limit}`, findings.layersRows),
    measured("training.batchSize", batch, fewer, findings.layersBatch)
  ]
}

/** A lower rank for layers that allow no more: a scale with one output, a convolution over one number. */
const narrowLayers = (sites: ReadonlyArray<LinearSite>, rank: number): ReadonlyArray<Choice> => {
  const narrow = sites
    .map((site) => ({ name: site.name, side: Math.min(site.in, site.out) }))
    .filter(({ side }) => side < rank)
  if (narrow.length === 0) return []
  const value = narrow.map(({ name, side }) => ({ targets: [name], rank: side, alpha: scale * side }))
  const names = narrow.map(({ name, side }) => `${name} (${side})`).join(", ")
  return [
    {
      path: "adapter.overrides",
      value,
      reason: `no rank is larger than the smaller side of a layer's weights: ${names}`
    }
  ]
}

/** Whether labels are the numbers of the classes, in whatever order. */
const areNumbers = (labels: ReadonlyArray<string>): boolean =>
  labels.every((label) => /^\d+$/.test(label) && Number(label) < labels.length && String(Number(label)) === label)

/** Which class an output of the model is, a model does not say. */
const classOrder = (labels: ReadonlyArray<string>): ReadonlyArray<Choice> => {
  const byNumber = labels.map((_, i) => String(i))
  if (!areNumbers(labels) || labels.every((label, i) => label === byNumber[i])) return []
  const reason = `the labels are the numbers of the model's ${labels.length} outputs; sorted as words, "10" would come before "2"`
  return [{ path: "data.labels", value: byNumber, reason }]
}

const NAMED_LABELS = 6

const orderCaution = (labels: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (areNumbers(labels)) return []
  const named = labels.slice(0, NAMED_LABELS).map((label, i) => `${i}: ${label}`)
  const more = labels.length > NAMED_LABELS ? ", …" : ""
  return [
    `the model's outputs are taken to be the labels in this order: ${named.join(", ")}${more}; if it was trained with another, data.labels says so`
  ]
}

const plainLora: ReadonlyArray<Choice> = [
  measured("optimizer.kind", "adamw", "memory: plain LoRA", findings.layersLora),
  measured("optimizer.learningRate", rates.layersLora, "LoRA's own", findings.layersLora)
]

export const suggestArrays: Suggesting<ResolvedArraysPlan> = {
  uncut: null,
  heldOut: heldOutLabelled,
  choose({ model, data, plan }, held) {
    const { train, validation, test } = data.splits
    const rows = train.rows - held
    const evaluated = { validation: validation?.rows ?? (held > 0 ? held : null), test: test?.rows ?? null }
    const [steps, batchSize] = length(rows)
    const widest = Math.max(...model.sites.map((site) => Math.min(site.in, site.out)))
    const factors = ranks(widest, findings.layersRank, layersRank)
    return {
      choices: [
        ...classOrder(data.labels),
        { path: "adapter.method", value: "lora", reason: "factors A and B at every dense layer and convolution" },
        ...factors,
        ...narrowLayers(model.sites, factors[0]!.value as number),
        measured("optimizer.kind", "lora-pro", "", findings.layersForm),
        measured("optimizer.form", "full", "the safer of its forms", findings.fullNotEfficient),
        measured("optimizer.learningRate", rates.layersFull, "", findings.layersRate),
        measured("optimizer.schedule.kind", "linear", "", findings.layersWarmup),
        measured("optimizer.schedule.warmup", warmup, "", findings.layersWarmup),
        steps!,
        batchSize!,
        ...evaluation(evaluated, steps!.value as number, someLabelled(evaluatedRows.labelled))
      ],
      cautions: [
        ...fewOfEach(rows, data.labels.length),
        ...orderCaution(data.labels),
        ...(plan.data.scale === 1 ? [] : [scaleCaution]),
        ...nothingToEvaluate(evaluated)
      ]
    }
  },
  turns: (choices) =>
    knobs(choices, {
      method: { choices: plainLora, dropped: ["optimizer.form"] },
      packing: null,
      blocks: false,
      shortest: null
    }),
  estimate: (plan, { model, trainable, selected }) => estimateMemory(plan, model, trainable, selected.sites)
}

const scaleCaution =
  "data.scale has to be what the model was trained with: if its accuracy before training, which train prints first, is lower than the model's own, look there"

const arrayRows = (source: string, file: string, columns: Columns) =>
  Effect.gen(function* () {
    const probed = yield* Effect.result(firstRows(file, PROBED_ROWS))
    // what cannot be read is refused, with what is expected, when it is opened
    if (Result.isFailure(probed)) return { format: "arrays", choices: [] }
    const text = yield* readTextFile(source).pipe(Effect.orElseSucceed(() => ""))
    const rows = arrayColumns(probed.success, columns, /"class_name"\s*:\s*"Rescaling"/.test(text))
    return typeof rows === "string" ? yield* dataError(file, rows) : rows
  })

const numbersIn = (value: unknown): ReadonlyArray<number> => {
  const list = typeof value === "string" && value.trimStart().startsWith("[") ? listIn(value) : value
  const flat: ReadonlyArray<unknown> = Array.isArray(list) ? list.flat(Number.POSITIVE_INFINITY) : []
  return flat.every((number) => typeof number === "number") ? (flat as ReadonlyArray<number>) : []
}

const BYTE = 255

/** Which columns hold the numbers and the label, and what the numbers are multiplied with; or what was found and expected. */
export const arrayColumns = (rows: ReadonlyArray<Row>, columns: Columns, rescales: boolean): DetectedRows | string => {
  const all = Object.keys(rows[0]!)
  const lists = all.filter((name) => rows.every((row) => numbersIn(row[name]).length > 0))
  const numbered = lists.length === 0 && columns.input === undefined ? numberedColumns(rows, columns.label) : undefined
  const labels = all.filter(
    (name) =>
      !lists.includes(name) &&
      numbered?.names.includes(name) !== true &&
      rows.every((row) => ["string", "number", "boolean"].includes(typeof row[name]))
  )
  const input = columns.input ?? numbered?.pattern ?? only("input", lists)
  const label = columns.label ?? only("label", labels)
  const missing = [
    ...(input === undefined ? [`${found(lists, "a list of numbers")}: name it with --input`] : []),
    ...(label === undefined ? [`${found(labels, "a label")}: name it with --label`] : [])
  ]
  if (input === undefined || label === undefined)
    return `${missing.join("; ")} (found: ${all.slice(0, NAMED).join(", ")})`
  const read = inputReader(input, label)
  const numbers = rows.flatMap((row) => numbersIn(read(row)))
  return {
    format: "arrays",
    choices: [
      choice("data.format", "arrays", "rows of numbers, for a tf.LayersModel"),
      choice("data.input", input, numbered?.reason ?? "the column that holds lists of numbers"),
      choice("data.label", label, "the column that holds a label"),
      ...scaleOf(numbers, rescales)
    ]
  }
}

/** Columns of one number each that a number tells apart ("pixel0", "pixel1", …), as the pattern that has them and no other. */
const numberedColumns = (rows: ReadonlyArray<Row>, label: string | undefined) => {
  const all = Object.keys(rows[0]!).filter((name) => name !== label)
  const numbers = all.filter((name) => rows.every((row) => numberIn(row[name]) !== undefined))
  const patterns = new Set(numbers.flatMap((name) => /^(.*?)\d+$/.exec(name)?.[1] ?? []))
  const found = [...patterns]
    .map((start) => ({ pattern: `${start}*`, names: matching(`${start}*`, all) }))
    .filter(({ names }) => names.length > 1 && names.every((name) => numbers.includes(name)))
    .toSorted((a, b) => b.names.length - a.names.length)
  const [first] = found
  if (first === undefined) return undefined
  const { names } = first
  return {
    ...first,
    reason: `${count(names.length)} columns of one number each, from "${names[0]}" to "${names.at(-1)}"`
  }
}

/** The column of the usual name, or the only one there is. */
const only = (usual: string, candidates: ReadonlyArray<string>): string | undefined =>
  candidates.includes(usual) ? usual : candidates.length === 1 ? candidates[0] : undefined

const found = (candidates: ReadonlyArray<string>, what: string): string =>
  candidates.length === 0 ? `no column holds ${what} in every row` : `${candidates.length} columns may hold ${what}`

/** Numbers that are bytes become 0 to 1, unless the model does so itself. */
const scaleOf = (numbers: ReadonlyArray<number>, rescales: boolean): ReadonlyArray<Choice> => {
  const bytes = numbers.every((number) => Number.isInteger(number) && number >= 0 && number <= BYTE)
  const largest = numbers.reduce((max, number) => Math.max(max, number), 0)
  if (!bytes || largest <= 1 || rescales) return []
  const reason = `whole numbers from 0 to ${count(largest)} look like bytes, and the model has no layer that scales them: 1/${BYTE} makes them 0 to 1, as models of images are mostly trained`
  return [{ path: "data.scale", value: 1 / BYTE, reason }]
}

export const detectArrays: Detecting = {
  columns: { arrays: ["input", "label"] },
  takes: ({ source }) => /\.json$/i.test(source),
  rows: arrayRows
}
