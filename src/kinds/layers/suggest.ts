/** `tf.LayersModel`: suggests values of a plan, one rule each. */
import * as Effect from "effect/Effect"
import type { ClassificationData } from "../../data/index.ts"
import { readTextFile } from "../../files/index.ts"
import type { DescribedLayers } from "../../models/index.ts"
import {
  type Choice,
  evaluatedOf,
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
  type NamedModel,
  nothingToEvaluate,
  passesOf,
  ranks,
  rowsOfStep,
  rowsSeen,
  type Suggesting,
  scale,
  someLabelled,
  warmup
} from "../../suggest/index.ts"
import type { LinearSite } from "../../tensors/index.ts"
import { estimateMemory } from "./kind.ts"
import type { LayersPlan, ResolvedLayersPlan } from "./rows.ts"

// the measurements had at least 60 steps, and batches of 32 only
const STEP = { largest: 32, smallest: 4, steps: 60 } as const

const length = (rows: number): ReadonlyArray<Choice> => {
  const preferred = Math.max(rowsSeen.images, rows)
  const rowsToSee = Math.min(preferred, MOST_PASSES * rows, MOST_ROWS_SEEN)
  const batch = rowsOfStep(rowsToSee, STEP)
  const steps = Math.max(1, Math.round(rowsToSee / batch))
  const limit =
    rowsToSee === preferred
      ? ""
      : rowsToSee === MOST_ROWS_SEEN
        ? "; longer runs were not measured"
        : `; ${MOST_PASSES} passes at most, since repeating a row more often mostly makes the model memorise it`
  const fewer = batch < STEP.largest ? `${STEP.largest} would leave a run of fewer than ${STEP.steps} steps` : ""
  return [
    measured("training.steps", steps, `${passesOf(steps * batch, rows)}${limit}`, findings.layersRows),
    measured("training.batchSize", batch, fewer, findings.layersBatch)
  ]
}

/** Suggests a lower rank for layers that allow no more, such as a scale with one output or a convolution over one channel. */
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

/** Returns whether labels are the indices of the classes, in any order. */
const areNumbers = (labels: ReadonlyArray<string>): boolean =>
  labels.every((label) => /^\d+$/.test(label) && Number(label) < labels.length && String(Number(label)) === label)

/** Suggests numeric order for labels that are class indices: a model's file does not state the classes of its outputs. */
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
    `the model's outputs are assumed to be the labels in this order: ${named.join(", ")}${more}; if it was trained with another order, set data.labels`
  ]
}

/** Returns the layer that computes a score per class, if other layers remain to adapt. */
const scoresOf = ({ sites }: Pick<DescribedLayers, "sites">, classes: number): LinearSite | undefined => {
  const last = sites.at(-1)
  return sites.length > 1 && last?.out === classes ? last : undefined
}

/** Returns the choice of a new head if the labels need one. */
const replacedHead = ({ newHead, labels }: Pick<DescribedLayers, "newHead" | "labels">): ReadonlyArray<Choice> => {
  if (newHead === null) return []
  const reason = `the model has ${newHead.replaced} classes and the data have ${labels.length} labels: a new layer replaces "${newHead.path}" and is trained in full`
  return [{ path: "model.head", value: "new", reason }]
}

const newHead = (name: string): Choice => ({
  path: "model.head",
  value: [name],
  reason: "the output layer is trained in full; it is new if the labels differ from the model's classes"
})

/** Measured values and rules of a kind. */
interface LayersMeasured<Plan extends LayersPlan> {
  /** whether to train the last layer as a new head although it fits the classes */
  readonly newHead: boolean
  /** values of the plan that the model's file states */
  readonly stated?: (model: DescribedLayers) => ReadonlyArray<Choice>
  /** returns problems that no value of the plan can solve, one sentence each */
  readonly cautions: (data: Plan["data"], model: DescribedLayers) => ReadonlyArray<string>
}

const plainLora: ReadonlyArray<Choice> = [
  measured("optimizer.kind", "adamw", "memory: plain LoRA", findings.layersLora)
]

export const suggestLayers = <Plan extends LayersPlan, Data extends ClassificationData>({
  newHead: asksHead,
  stated,
  cautions
}: LayersMeasured<Plan>): Suggesting<ResolvedLayersPlan<Plan, Data>> => ({
  uncut: null,
  heldOut: heldOutLabelled,
  choose({ model, data, plan }, heldOut) {
    const rows = data.splits.train.rows - heldOut
    const evaluated = evaluatedOf(data.splits, heldOut)
    const [steps, batchSize] = length(rows)
    const last = !asksHead || model.head.parameters.length > 0 ? undefined : scoresOf(model, data.labels.length)
    const sites = model.sites.filter((site) => site !== last)
    const widest = Math.max(...sites.map((site) => Math.min(site.in, site.out)))
    const factors = ranks(widest, findings.layersRank, layersRank)
    return {
      choices: [
        ...(last === undefined ? replacedHead(model) : [newHead(last.name)]),
        ...classOrder(data.labels),
        ...(stated?.(model) ?? []),
        { path: "adapter.method", value: "lora", reason: "factors A and B at every dense layer and convolution" },
        ...factors,
        ...narrowLayers(sites, factors[0]!.value as number),
        measured("optimizer.kind", "lora-pro", "", findings.layersForm),
        measured("optimizer.form", "full", "the safer of its forms", findings.fullNotEfficient),
        measured("optimizer.learningRate", "auto", "", findings.layersRate),
        measured("optimizer.schedule.kind", "linear", "", findings.layersWarmup),
        measured("optimizer.schedule.warmup", warmup, "", findings.layersWarmup),
        steps!,
        batchSize!,
        ...evaluation(evaluated, steps!.value as number, someLabelled(evaluatedRows.labelled))
      ],
      cautions: [
        ...fewOfEach(rows, data.labels.length),
        ...(model.newHead === null ? orderCaution(data.labels) : []),
        ...cautions(plan.data, model),
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
})

export const isTopology = ({ source }: NamedModel): boolean => /\.json$/i.test(source)

/** Returns whether a model has a layer that scales bytes. */
export const rescales = (source: string) =>
  readTextFile(source).pipe(
    Effect.orElseSucceed(() => ""),
    Effect.map((text) => /"class_name"\s*:\s*"Rescaling"/.test(text))
  )
