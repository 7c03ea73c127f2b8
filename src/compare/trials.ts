/**
 * The trials of a study, in the order in which they become known: the sweep from the study alone, the final trials from the rates that the sweep
 * picked.
 */
import type * as Result from "effect/Result"
import {
  decodeRunPlanResult,
  factsOfMethod,
  mustBeDecided,
  type PlanProblem,
  type RunPlan
} from "../../schemas/index.ts"
import { comparedMethod } from "./methods.ts"
import type { BestRate, Question, Trial, TrialResult } from "./study.ts"

/** A method at a rank, for which one best rate is picked. */
export interface Arm {
  readonly method: string
  readonly rank: number | null
}

export const armsOf = ({ methods, ranks }: Question): ReadonlyArray<Arm> =>
  methods.flatMap(
    (method): ReadonlyArray<Arm> =>
      comparedMethod(method).ranked ? ranks.map((rank) => ({ method, rank })) : [{ method, rank: null }]
  )

export const sameArm = (a: Arm, b: Arm): boolean => a.method === b.method && a.rank === b.rank

const ratesOf = (study: Question, { method }: Arm): ReadonlyArray<number> => study.learningRates[method] ?? []

/** Returns an id that is deterministic, valid as a folder name, and unique within a study. */
const idOf = ({ stage, method, rank, learningRate, seed, share }: Omit<Trial, "id">): string =>
  [
    stage,
    method,
    ...(rank === null ? [] : [`r${rank}`]),
    `lr${learningRate}`,
    `s${seed}`,
    ...(share === 1 ? [] : [`x${share}`])
  ].join("-")

const ID = /^(sweep|final|common)-(.+?)(?:-r(\d+))?-lr(\d[\d.]*(?:e[-+]?\d+)?)-s(\d+)(?:-x([\d.]+))?$/

/** Parses a trial's id, or returns undefined if it is not the id of a trial. */
export const trialNamed = (id: string): Trial | undefined => {
  const [, stage, method, rank, learningRate, seed, share] = ID.exec(id) ?? []
  if (method === undefined) return undefined
  return {
    id,
    stage: stage as Trial["stage"],
    method,
    rank: rank === undefined ? null : Number(rank),
    learningRate: Number(learningRate),
    seed: Number(seed),
    share: share === undefined ? 1 : Number(share)
  }
}

const trialOf = (trial: Omit<Trial, "id">): Trial => ({ id: idOf(trial), ...trial })

/** The learning rates of an arm that remain in the sweep. */
export type Rates = (arm: Arm) => ReadonlyArray<number>

/** Returns one round of the sweep, for every arm with a choice of rates. Two rates are too few to halve: they are compared in the last round. */
export const sweepTrials = (study: Question, share: number, rates: Rates): ReadonlyArray<Trial> =>
  armsOf(study)
    .filter((arm) => ratesOf(study, arm).length > (share < 1 ? 2 : 1))
    .flatMap((arm) =>
      rates(arm).flatMap((learningRate) =>
        study.seeds.map((seed) => trialOf({ stage: "sweep", ...arm, learningRate, seed, share }))
      )
    )

/** Returns the share of the steps in each round of a sweep: one full round, or rounds that halve the rates and double the steps. */
export const roundsOf = (study: Question): ReadonlyArray<number> => {
  if (study.strategy !== "halving") return [1]
  const most = Math.max(...armsOf(study).map((arm) => ratesOf(study, arm).length))
  const rounds = Math.max(1, Math.ceil(Math.log2(Math.max(1, most))))
  return Array.from({ length: rounds }, (_, round) => 2 ** (round + 1 - rounds))
}

/** Picks the best rate of every arm that has a result, as `bestRates` of the verdict does. */
export type PickRates = (results: ReadonlyArray<TrialResult>) => ReadonlyArray<BestRate>

/** Returns the better half of an arm's rates (rounded up, at least two), ranked by `pick`: the best, then the best of the rest, and so on. */
export const betterHalf = (results: ReadonlyArray<TrialResult>, arm: Arm, pick: PickRates): ReadonlyArray<number> => {
  const ofArm = results.filter(({ trial }) => sameArm(trial, arm))
  const rates = new Set(ofArm.map(({ trial }) => trial.learningRate))
  const survivors = Math.max(2, Math.ceil(rates.size / 2))
  const ranked: Array<number> = []
  while (ranked.length < survivors) {
    // ranked as if this round were the last, at its share of the steps
    const rest = ofArm.filter(({ trial }) => !ranked.includes(trial.learningRate))
    const best = pick(rest.map((result) => ({ ...result, trial: { ...result.trial, share: 1 } })))[0]
    if (best === undefined) break
    ranked.push(best.learningRate)
  }
  return ranked.sort((a, b) => a - b)
}

/** Maximum number of rates beyond its grid that an arm tries. */
export const MOST_BEYOND = 6

/**
 * Returns the next rate to try if the best rate of an arm is at an edge of those tried: beyond that edge, by the ratio of the edge to its
 * neighbour. If none works, a rate below the smallest. Rates are rounded to two digits.
 */
export const beyondEdge = (results: ReadonlyArray<TrialResult>, arm: Arm, pick: PickRates): ReadonlyArray<number> => {
  const ofArm = results.filter(({ trial }) => sameArm(trial, arm))
  const rates = [...new Set(ofArm.map(({ trial }) => trial.learningRate))].sort((a, b) => a - b)
  const [first, second, last, beforeLast] = [rates[0], rates[1], rates.at(-1), rates.at(-2)]
  if (first === undefined || second === undefined || last === undefined || beforeLast === undefined) return []
  const best = pick(ofArm)[0]?.learningRate ?? first
  const beyond = best === first ? first ** 2 / second : best === last ? last ** 2 / beforeLast : null
  return beyond === null ? [] : [Number(beyond.toPrecision(2))].filter((rate) => rate > 0 && !rates.includes(rate))
}

/** Returns the rate of every arm after the sweep: the picked one of several, or the only one. Omits arms for which no rate was picked. */
export const chosenRates = (
  study: Question,
  sweep: ReadonlyArray<TrialResult>,
  pick: PickRates
): ReadonlyArray<BestRate> => {
  const picked = pick(sweep)
  return armsOf(study).flatMap((arm): ReadonlyArray<BestRate> => {
    const rates = ratesOf(study, arm)
    if (rates.length === 1) return [{ ...arm, learningRate: rates[0]! }]
    return picked.filter((best) => sameArm(best, arm))
  })
}

export const finalTrials = (study: Question, rates: ReadonlyArray<BestRate>): ReadonlyArray<Trial> =>
  rates.flatMap(({ method, rank, learningRate }) =>
    study.freshSeeds.map((seed) => trialOf({ stage: "final", method, rank, learningRate, seed, share: 1 }))
  )

/** Returns the common trials: every arm at the one rate for all. Methods that train only the head are unaffected by it. */
export const commonTrials = (study: Question): ReadonlyArray<Trial> => {
  const { commonRate } = study
  if (commonRate === null) return []
  return armsOf(study).flatMap((arm) =>
    study.freshSeeds.map((seed) =>
      trialOf({
        stage: "common",
        ...arm,
        learningRate: comparedMethod(arm.method).learningRates.length === 0 ? ratesOf(study, arm)[0]! : commonRate,
        seed,
        share: 1
      })
    )
  )
}

/** Returns whether two trials are the same run, whatever their stages. */
export const sameRun = (a: Trial, b: Trial): boolean =>
  sameArm(a, b) && a.learningRate === b.learningRate && a.seed === b.seed && a.share === b.share

/** Returns the learning rate of the head in every trial. */
export const headRateOf = ({ optimizer }: RunPlan): number =>
  optimizer.headLearningRate ?? mustBeDecided(optimizer).learningRate

const sharedOptimizer = (plan: RunPlan, learningRate: number, share: number) => {
  const { optimizer } = plan
  const { weightDecay, clipNorm, schedule } = optimizer
  const { warmupSteps } = schedule
  return {
    learningRate,
    headLearningRate: headRateOf(plan),
    weightDecay,
    clipNorm,
    schedule: { ...schedule, ...(warmupSteps === undefined ? {} : { warmupSteps: Math.floor(share * warmupSteps) }) }
  }
}

const sharedTraining = ({ training }: RunPlan, share: number, seesGradients: boolean) => {
  const { steps, epochs, diagnostics, ...rest } = training
  return {
    // only the final evaluation is compared; others take time, which is compared too
    evaluateEvery: "never",
    ...rest,
    ...(steps === undefined ? {} : { steps: Math.max(1, Math.round(share * steps)) }),
    ...(epochs === undefined ? {} : { epochs: share * epochs }),
    // the distance to the full gradient is defined only for W + s·BA
    ...(diagnostics === undefined || !seesGradients ? {} : { diagnostics })
  }
}

type Part = Omit<Trial, "id">

/**
 * Returns the plan of one trial, with the input paths of `plan`: the study's plan with the method's adapter and optimizer, the trial's rate, rank
 * and seed, and a share of its steps; or every problem of the method with it. The head's rate is the same in every trial, the plan's
 * `headLearningRate` or, without one, its `learningRate`: otherwise the comparison would include the heads' rates.
 *
 * A sweep uses neither the test split nor gradients: validation picks the rates, and the verdict is about other seeds.
 */
export const trialPlan = (
  plan: RunPlan,
  { stage, method: name, learningRate, rank, seed, share }: Part
): Result.Result<RunPlan, ReadonlyArray<PlanProblem>> => {
  const method = comparedMethod(name)
  const { $schema: _, output, data, ...sections } = plan
  const { directory: __, ...outputSettings } = output
  const { test: ___, ...unseen } = data
  const adapter = method.adapter(plan, rank ?? 0)
  const trialPlan = {
    ...sections,
    seed,
    data: stage === "sweep" ? unseen : data,
    adapter,
    optimizer: method.optimizer(sharedOptimizer(plan, learningRate, share), plan),
    training: sharedTraining(plan, share, stage !== "sweep" && factsOfMethod(adapter).theorem.holds),
    output: outputSettings
  }
  return decodeRunPlanResult(trialPlan)
}
