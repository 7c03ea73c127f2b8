/**
 * Fits a suggested plan into memory at the least cost: changes its values one after the other until the estimate of `validate` fits, then
 * reverts changes that turned out to be unnecessary.
 *
 * Order: changes that do not affect the result (rows per evaluation; rows per forward pass with more accumulation, down to two;
 * recomputation), one row per forward pass, half-precision weights, a method with moments of the factors only, int8 weights,
 * and last the maximum length of rows.
 */
import { counted } from "../boundary/index.ts"
import { type Choice, measured } from "./choice.ts"
import { type Finding, findings } from "./findings.ts"

/** A value that can be lowered in stages; stage 0 is the original choice. */
export interface Knob {
  readonly name: string
  /** choices that stage i ≥ 1 replaces or adds */
  readonly stages: ReadonlyArray<ReadonlyArray<Choice>>
  /** paths to remove from the plan from stage 1 */
  readonly dropped?: ReadonlyArray<string>
}

/** Default evaluation batch size. */
const EVALUATED = 64
const needs = (reduction: string) => `memory: ${reduction}`

const evaluationBatch: Knob = {
  name: "evaluation batch",
  stages: [16, 4, 1].map((value) => [
    {
      path: "training.evaluateBatchSize",
      value,
      reason: needs(
        `${counted(value, "row")} per forward pass of an evaluation instead of ${EVALUATED}; results do not depend on it`
      )
    }
  ])
}

/** Creates the knob for the batch size of a step of `rows` rows, a power of two. */
const batch = (rows: number): Knob => ({
  name: "batch",
  stages: Array.from({ length: Math.log2(rows) }, (_, i) => rows / 2 ** (i + 1)).map((value) => [
    {
      path: "training.batchSize",
      value,
      reason: needs(`${counted(value, "row")} per forward pass; training.accumulate keeps the ${rows} rows of a step`)
    },
    {
      path: "training.accumulate",
      value: rows / value,
      reason: `${rows / value} batches of ${counted(value, "row")} make a step of ${rows}`
    }
  ])
})

const recompute: Knob = {
  name: "recompute",
  stages: [
    [measured("training.recompute", "blocks", needs("only one hidden state per block is kept"), findings.recompute)]
  ]
}

const weights = (finding: Finding): Knob => ({
  name: "weights",
  stages: (["f16", "int8"] as const).map((value) => [
    measured("model.weights", value, needs("the frozen weights take less memory"), finding)
  ])
})

const length = (maxLength: number, shortest: number): Knob => ({
  name: "length",
  stages: [2, 4, 8, 16, 32, 64]
    .map((part) => Math.floor(maxLength / part))
    .filter((value) => value >= shortest)
    .map((value) => [
      {
        path: "data.maxLength",
        value,
        reason: needs(`rows are cut at ${value} tokens instead of ${maxLength}; no cheaper change is enough`)
      }
    ])
})

/** Reductions that a kind of data allows in addition to smaller batches. */
export interface Sacrifices {
  /** another method, and paths that do not apply to it; null: the chosen method has the fewest moments */
  readonly method: { readonly choices: ReadonlyArray<Choice>; readonly dropped?: ReadonlyArray<string> } | null
  /** cost of packed weights; null: weights cannot be packed */
  readonly packing: Finding | null
  /** whether the model has blocks that can be recomputed */
  readonly blocks: boolean
  /** minimum `maxLength` in tokens; null: rows are not truncated */
  readonly shortest: number | null
}

const numberAt = (choices: ReadonlyArray<Choice>, path: string) =>
  choices.find((choice) => choice.path === path)!.value as number

/** Returns the knobs in the order in which they are lowered; a knob appears once per stage. */
export const knobs = (
  choices: ReadonlyArray<Choice>,
  { method, packing, blocks, shortest }: Sacrifices
): ReadonlyArray<Knob> => {
  const rows = batch(numberAt(choices, "training.batchSize"))
  const packed = packing === null ? [] : [weights(packing)]
  const all = (knob: Knob) => knob.stages.map(() => knob)
  return [
    ...all(evaluationBatch),
    ...all(rows).slice(1),
    ...(blocks ? [recompute] : []),
    ...all(rows).slice(0, 1),
    ...packed,
    ...(method === null ? [] : [{ name: "method", stages: [method.choices], dropped: method.dropped ?? [] }]),
    ...packed,
    ...(shortest === null ? [] : all(length(numberAt(choices, "data.maxLength"), shortest)))
  ]
}

type Stages = ReadonlyMap<Knob, number>

const changed = (choices: ReadonlyArray<Choice>, stages: Stages): ReadonlyArray<Choice> =>
  [...stages].reduce((all, [{ stages: each, dropped = [] }, stage]) => {
    if (stage === 0) return all
    const stageChoices = each[stage - 1]!
    const remaining = all.filter(({ path }) => !dropped.includes(path))
    const at = new Map(stageChoices.map((choice) => [choice.path, choice]))
    const replaced = remaining.map((choice) => at.get(choice.path) ?? choice)
    return [...replaced, ...stageChoices.filter(({ path }) => !remaining.some((choice) => choice.path === path))]
  }, choices)

export interface Fitted {
  readonly choices: ReadonlyArray<Choice>
  /** false: not even the last stage of every knob fits */
  readonly fits: boolean
}

/** Lowers choices until `fits` returns true for the plan. Returns them unchanged if they already fit. */
export const fitted = (
  choices: ReadonlyArray<Choice>,
  turns: ReadonlyArray<Knob>,
  fits: (choices: ReadonlyArray<Choice>) => boolean
): Fitted => {
  let stages: Stages = new Map()
  const turn = (knob: Knob, by: number): Stages => new Map([...stages, [knob, (stages.get(knob) ?? 0) + by]])
  const turned: Array<Knob> = []
  for (const knob of turns) {
    if (fits(changed(choices, stages))) break
    stages = turn(knob, 1)
    turned.push(knob)
  }
  if (!fits(changed(choices, stages))) return { choices: changed(choices, stages), fits: false }
  // later changes may have made earlier ones unnecessary; the most harmful first
  for (const knob of turned.reverse()) {
    const back = turn(knob, -1)
    if (fits(changed(choices, back))) stages = back
  }
  return { choices: changed(choices, stages), fits: true }
}
