/**
 * Turns a plan and the requested comparison into a study, or reports everything that is wrong with either. Every method at every rate and rank is
 * decoded as a complete plan, and files and the environment are checked once, before anything runs.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { closest, isDecided, type RunPlan } from "../../schemas/index.ts"
import { listedLines } from "../boundary/index.ts"
import { resolve } from "../kinds/index.ts"
import { type PlanFile, type ResolvedPlan, selectSites } from "../plan/index.ts"
import { type Measure, measureOf } from "./measure.ts"
import { comparedMethod, comparedMethods, DEFAULT_METHODS, methodNames } from "./methods.ts"
import type { Question, Study } from "./study.ts"
import { type Arm, armsOf, commonTrials, finalTrials, headRateOf, roundsOf, sweepTrials, trialPlan } from "./trials.ts"

export class StudyError extends Schema.TaggedError<StudyError>()("StudyError", {
  /** one sentence per problem, which begins with the field or flag */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return listedLines(this.problems, String)
  }
}

/** Arguments of the command line. */
export interface Asked {
  readonly methods?: ReadonlyArray<string> | undefined
  /** learning rates for every method; absent: each method's defaults */
  readonly learningRates?: ReadonlyArray<number> | undefined
  readonly ranks?: ReadonlyArray<number> | undefined
  readonly seeds: number
  readonly freshSeeds: number
  readonly commonRate?: number | undefined
  readonly halving: boolean
  readonly widen: boolean
  readonly device: Study["device"]
  /** address of the database, without a password */
  readonly storage: string
}

const unknownMethods = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names
    .filter((name) => !Object.hasOwn(comparedMethods, name))
    .map((name) => {
      const near = closest(name, [...methodNames])
      const hint = near === undefined ? "" : `; did you mean "${near}"?`
      return `--methods: found "${name}"; expected some of ${methodNames.join(", ")}${hint}`
    })

const repeated = (flag: string, values: ReadonlyArray<string | number>): ReadonlyArray<string> => {
  const twice = values.filter((value, i) => values.indexOf(value) !== i)
  return twice.length === 0 ? [] : [`${flag}: found ${twice.join(", ")} more than once; expected each once`]
}

/** Returns the problem of a plan whose head has no fixed rate: a sweep replaces the plan's learning rate, but the head keeps one rate. */
const headRateProblem = ({ optimizer }: RunPlan): ReadonlyArray<string> =>
  isDecided(optimizer) || optimizer.headLearningRate !== undefined
    ? []
    : [
        'optimizer.headLearningRate: missing with learningRate "auto"; compare tries several rates per method and uses one rate for the head: set it to a number such as 5e-3'
      ]

/** Returns the rates to try. A method that trains only the head uses the head's rate alone. */
const gridOf = (plan: RunPlan, method: string, chosen: ReadonlyArray<number> | undefined): ReadonlyArray<number> => {
  const usual = comparedMethod(method).learningRates
  return usual.length === 0 ? [headRateOf(plan)] : [...(chosen ?? usual)].sort((a, b) => a - b)
}

/** Returns the requested study. Fails with every unknown name and every duplicate value. */
export const questionOf = ({ plan, name }: PlanFile, request: Asked): Effect.Effect<Question, StudyError> =>
  Effect.suspend(() => {
    const methods = request.methods ?? DEFAULT_METHODS
    const ranks = request.ranks ?? ["rank" in plan.adapter ? plan.adapter.rank : 8]
    const problems = [
      ...unknownMethods(methods),
      ...repeated("--methods", methods),
      ...repeated("--ranks", ranks),
      ...repeated("--learning-rates", request.learningRates ?? []),
      ...(request.halving && request.widen
        ? [
            "--widen: found with --halving; expected one of the two, since a rate that dropped out has no neighbours left"
          ]
        : []),
      ...headRateProblem(plan)
    ]
    if (problems.length > 0) return Effect.fail(new StudyError({ problems }))
    const from = (first: number, count: number) => Array.from({ length: count }, (_, i) => plan.seed + first + i)
    const { device, storage, commonRate = null } = request
    return Effect.succeed({
      name,
      plan,
      methods: [...methods],
      learningRates: Object.fromEntries(methods.map((method) => [method, gridOf(plan, method, request.learningRates)])),
      ranks: [...ranks].sort((a, b) => a - b),
      seeds: from(0, request.seeds),
      freshSeeds: from(request.seeds, request.freshSeeds),
      commonRate,
      strategy: request.halving ? "halving" : request.widen ? "widening" : "grid",
      device,
      storage
    })
  })

const described = ({ method, rank }: Arm): string => (rank === null ? method : `${method}, rank ${rank}`)

/** Returns one plan for each rate of an arm, and each problem once, with the arms that have it. */
const plansOf = (study: Question, arm: Arm) => {
  const rates = [...(study.learningRates[arm.method] ?? []), ...(study.commonRate === null ? [] : [study.commonRate])]
  const shortest = Math.min(...roundsOf(study))
  const results = [...new Set([1, shortest])].flatMap((share) =>
    rates.map((learningRate) =>
      trialPlan(study.plan, { stage: "final", ...arm, learningRate, seed: study.plan.seed, share })
    )
  )
  const problems = results.flatMap((result) =>
    Result.isFailure(result) ? result.failure.map(({ path, message }) => `${described(arm)}: ${path}: ${message}`) : []
  )
  return { plan: Result.getOrUndefined(results[0]!), problems: [...new Set(problems)] }
}

const missingSplits = (study: Question, measure: Measure): ReadonlyArray<string> => {
  const { validation, test } = study.plan.data
  const sweeps = sweepTrials(study, 1, ({ method }) => study.learningRates[method] ?? []).length > 0
  return [
    ...(sweeps && validation === undefined
      ? [
          "data.validation: missing; compare needs it to choose the best learning rate of each method: set it, or pass one rate with --learning-rates"
        ]
      : []),
    ...(test === undefined
      ? [`data.test: missing; methods are compared by the ${measure.label} on it: name a split`]
      : [])
  ]
}

/** Checks the study against files and the environment. Fails with all problems of all combinations. */
export const checkStudy = (study: Question, name: string) =>
  Effect.gen(function* () {
    const arms = armsOf(study)
    const plans = arms.map((arm) => ({ arm, ...plansOf(study, arm) }))
    const problems = [...missingSplits(study, yield* measureOf(study.plan)), ...plans.flatMap((arm) => arm.problems)]
    const sound = plans.flatMap(({ arm, plan }) => (plan === undefined ? [] : [{ arm, plan }]))
    const first = sound[0]
    if (first === undefined) return yield* new StudyError({ problems })
    // files, labels and lengths are the same for all; only the sites depend on the method
    const resolved = yield* Effect.result(resolve(first.plan, name))
    if (Result.isFailure(resolved)) problems.push(...resolved.failure.problems)
    else problems.push(...sound.slice(1).flatMap((arm) => siteProblems(arm, resolved.success)))
    if (problems.length > 0) return yield* new StudyError({ problems: [...new Set(problems)] })
    return Result.getOrThrow(resolved)
  })

const siteProblems = (
  { arm, plan }: { readonly arm: Arm; readonly plan: RunPlan },
  { model }: ResolvedPlan
): ReadonlyArray<string> => {
  const selected = selectSites(plan, model)
  if (Result.isSuccess(selected)) return []
  return selected.failure.message.split("\n").map((line) => `${described(arm)}: ${line}`)
}

/**
 * Counts the runs of a study as far as known before its sweep: without rates beyond a grid's edge, and as if every method had a rate that works.
 */
export const countTrials = (study: Question) => {
  const everyRate = ({ method }: Arm) => study.learningRates[method] ?? []
  const anyRate = armsOf(study).map((arm) => ({ ...arm, learningRate: everyRate(arm)[0]! }))
  let rates = everyRate
  let sweep = 0
  for (const share of roundsOf(study)) {
    sweep += sweepTrials(study, share, rates).length
    const before = rates
    rates = (arm) => {
      const all = before(arm)
      return all.length <= 2 ? all : all.slice(0, Math.max(2, Math.ceil(all.length / 2)))
    }
  }
  return { sweep, final: finalTrials(study, anyRate).length, common: commonTrials(study).length }
}
