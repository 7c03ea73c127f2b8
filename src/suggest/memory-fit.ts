/**
 * Less memory, by what costs least: the values of a suggested plan are changed one after the other until the estimate of `validate`
 * fits, and what turned out not to be needed is taken back.
 *
 * In this order: what no result depends on (rows per evaluation; rows per forward pass with as many accumulated, down to two;
 * recomputation), one row per forward pass, half-precision weights, plain LoRA (whose moments are those of the factors alone), int8 weights, and
 * last the ends of long texts.
 */
import { type Choice, measured } from "./choice.ts"
import { batchSize, findings, rates } from "./findings.ts"

/** A value that can be lowered in stages; stage 0 is the plan as it was chosen. */
interface Knob {
  readonly name: string
  /** the choices that stage i ≥ 1 replaces or adds */
  readonly stages: ReadonlyArray<ReadonlyArray<Choice>>
  /** paths that have no place in the plan from stage 1 on */
  readonly dropped?: ReadonlyArray<string>
}

/** The evaluation batch that a plan has unless it says otherwise. */
const EVALUATED = 64
const needs = (wanted: string) => `memory: ${wanted}`

const evaluationBatch: Knob = {
  name: "evaluation batch",
  stages: [16, 4].map((value) => [
    {
      path: "training.evaluateBatchSize",
      value,
      reason: needs(
        `${value} rows per forward pass of an evaluation instead of ${EVALUATED}; results do not depend on it`
      )
    }
  ])
}

const batch: Knob = {
  name: "batch",
  stages: [4, 2, 1].map((value) => [
    {
      path: "training.batchSize",
      value,
      reason: needs(`${value} rows per forward pass; training.accumulate keeps the ${batchSize} rows of a step`)
    },
    {
      path: "training.accumulate",
      value: batchSize / value,
      reason: `${batchSize / value} batches of ${value} rows are the ${batchSize} of a step`
    }
  ])
}

const recompute: Knob = {
  name: "recompute",
  stages: [[measured("training.recompute", "blocks", needs("one hidden state a block is kept"), findings.recompute)]]
}

const weights: Knob = {
  name: "weights",
  stages: (["f16", "int8"] as const).map((value) => [
    measured("model.weights", value, needs("the frozen weights take less"), findings.packing)
  ])
}

const method: Knob = {
  name: "method",
  stages: [
    [
      measured("optimizer.kind", "adamw", needs("plain LoRA"), findings.moments),
      measured("optimizer.learningRate", rates.lora, "LoRA's own", findings.loraRate)
    ]
  ],
  dropped: ["optimizer.form"]
}

const SHORTEST = 32

const length = (maxLength: number): Knob => ({
  name: "length",
  stages: [2, 4, 8, 16]
    .map((part) => Math.floor(maxLength / part))
    .filter((value) => value >= SHORTEST)
    .map((value) => [
      {
        path: "data.maxLength",
        value,
        reason: needs(`texts are cut at ${value} tokens instead of ${maxLength}; nothing cheaper makes it fit`)
      }
    ])
})

/** Knobs in the order in which they are turned, least harm first; a name that comes again is its next stage. */
const order = [
  "evaluation batch",
  "evaluation batch",
  "batch",
  "batch",
  "recompute",
  "batch",
  "weights",
  "method",
  "weights"
]

type Stages = Readonly<Record<string, number>>

const changed = (choices: ReadonlyArray<Choice>, knobs: ReadonlyArray<Knob>, stages: Stages): ReadonlyArray<Choice> =>
  knobs.reduce((all, { name, stages: each, dropped = [] }) => {
    const stage = stages[name] ?? 0
    if (stage === 0) return all
    const own = each[stage - 1]!
    const kept = all.filter(({ path }) => !dropped.includes(path))
    const at = new Map(own.map((choice) => [choice.path, choice]))
    const replaced = kept.map((choice) => at.get(choice.path) ?? choice)
    return [...replaced, ...own.filter(({ path }) => !kept.some((choice) => choice.path === path))]
  }, choices)

export interface Fitted {
  readonly choices: ReadonlyArray<Choice>
  /** false: the last stage of everything does not fit either */
  readonly fits: boolean
}

/** `fits` says whether a plan with these choices does. Choices come back as they are where nothing has to change. */
export const fitted = (
  choices: ReadonlyArray<Choice>,
  maxLength: number,
  fits: (choices: ReadonlyArray<Choice>) => boolean
): Fitted => {
  const knobs = [evaluationBatch, batch, recompute, weights, method, length(maxLength)]
  const turns = [...order, ...knobs.at(-1)!.stages.map(() => "length")]
  const with_ = (stages: Stages) => changed(choices, knobs, stages)
  let stages: Stages = {}
  const turned: Array<string> = []
  for (const name of turns) {
    if (fits(with_(stages))) break
    stages = { ...stages, [name]: (stages[name] ?? 0) + 1 }
    turned.push(name)
  }
  if (!fits(with_(stages))) return { choices: with_(stages), fits: false }
  // the last turns may have made earlier ones needless, the most harmful first
  for (const name of turned.reverse()) {
    const back = { ...stages, [name]: stages[name]! - 1 }
    if (fits(with_(back))) stages = back
  }
  return { choices: with_(stages), fits: true }
}
