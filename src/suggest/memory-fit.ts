/**
 * Less memory, by what costs least: the values of a suggested plan are changed one after the other until the estimate of `validate`
 * fits, and what turned out not to be needed is taken back.
 *
 * In this order: what no result depends on (rows per evaluation; rows per forward pass with as many accumulated, down to two;
 * recomputation), one row per forward pass, half-precision weights, a method whose moments are those of the factors alone, int8 weights,
 * and last the ends of long rows.
 */
import { counted } from "../boundary/index.ts"
import { type Choice, measured } from "./choice.ts"
import { type Finding, findings } from "./findings.ts"

/** A value that can be lowered in stages; stage 0 is the plan as it was chosen. */
export interface Knob {
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

/** `rows` of a step, a power of two. */
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
      reason: `${rows / value} batches of ${counted(value, "row")} are the ${rows} of a step`
    }
  ])
})

const recompute: Knob = {
  name: "recompute",
  stages: [[measured("training.recompute", "blocks", needs("one hidden state a block is kept"), findings.recompute)]]
}

const weights = (finding: Finding): Knob => ({
  name: "weights",
  stages: (["f16", "int8"] as const).map((value) => [
    measured("model.weights", value, needs("the frozen weights take less"), finding)
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
        reason: needs(`rows are cut at ${value} tokens instead of ${maxLength}; nothing cheaper makes it fit`)
      }
    ])
})

/** What a kind of data can give up beside the rows of a batch. */
export interface Sacrifices {
  /** another method, and paths that it has no place for; null: the chosen one has the fewest moments */
  readonly method: { readonly choices: ReadonlyArray<Choice>; readonly dropped?: ReadonlyArray<string> } | null
  /** what packed weights cost; null: weights cannot be packed */
  readonly packing: Finding | null
  /** whether the model has blocks to compute again */
  readonly blocks: boolean
  /** tokens to which rows may be cut; null: rows are not cut */
  readonly shortest: number | null
}

const numberAt = (choices: ReadonlyArray<Choice>, path: string) =>
  choices.find((choice) => choice.path === path)!.value as number

/** The knobs in the order in which they are turned, one as often as it has stages. */
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
  // the last turns may have made earlier ones needless, the most harmful first
  for (const knob of turned.reverse()) {
    const back = turn(knob, -1)
    if (fits(changed(choices, back))) stages = back
  }
  return { choices: changed(choices, stages), fits: true }
}
