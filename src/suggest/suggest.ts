/**
 * A plan for somebody's data and model, and the reason for each of its values. Headers and rows are read, as `validate` reads them; no
 * weight is read and no device opened.
 *
 *   model + data ─resolve (head alone)→ facts ─rules→ choices ─resolve→ memory ─fit→ choices → plan, which is resolved once more
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { decodeRunPlan, decodeRunPlanResult, type PlanError } from "../../schemas/decode.ts"
import type { ClassificationPlan, ClassificationPlanInput } from "../../schemas/index.ts"
import { type ResolvedClassificationPlan, type ResolveError, relocate, resolve } from "../plan/index.ts"
import { estimateMemory } from "../plan/memory.ts"
import { COMFORTABLE, FOUR_GIB, machineMemory } from "../plan/memory-limits.ts"
import { type Choice, planOf } from "./choice.ts"
import { fitted } from "./memory-fit.ts"
import { cautions, choose, type Facts, heldOut } from "./rules.ts"

/** What a plan is suggested for: `model` and `data` of a plan, with absolute input paths. */
export interface Given {
  readonly seed: number
  readonly model: ClassificationPlan["model"]
  readonly data: ClassificationPlan["data"]
}

export interface SuggestOptions {
  /** where the plan will run; "auto" may be wasm, and is fitted to it */
  readonly device: "auto" | "webgpu" | "wasm" | "cpu"
  /** bytes that a run may take; absent: what is free on this machine */
  readonly memory?: number
}

export interface Suggestion {
  /** as it is written to a file in `directory` */
  readonly plan: ClassificationPlanInput
  /** in the order of a plan's sections */
  readonly choices: ReadonlyArray<Choice>
  /** what no value of the plan can mend, and what `validate` warns of */
  readonly warnings: ReadonlyArray<string>
  readonly resolved: ResolvedClassificationPlan
}

const NAME = "suggested plan"

/** Suggests a plan that stands in `directory`. Fails with what is wrong with the model or the data, all of it. */
export const suggest = (
  given: Given,
  directory: string,
  options: SuggestOptions
): Effect.Effect<Suggestion, PlanError | ResolveError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const seen = yield* resolve(yield* decoded(headAlone(given)), NAME)
    const share = given.data.validation === undefined ? heldOut(seen.data.splits.train.rows) : null
    const facts = factsOf(seen, share === null ? 0 : Math.round((share.value as number) * seen.data.splits.train.rows))
    const chosen = [...(share === null ? [] : [share]), ...choose(facts)]
    const sections = sectionsOf(given)
    const first = yield* resolve(yield* decoded(planOf(sections, chosen)), NAME)
    const fit = fitted(chosen, chosen.find(({ path }) => path === "data.maxLength")!.value as number, (choices) =>
      fits(planOf(sections, choices), first, options)
    )
    const resolved = yield* resolve(yield* decoded(planOf(sections, fit.choices)), NAME)
    const plan = inOrder(planOf(yield* sectionsIn(given, resolved.plan, directory), fit.choices))
    const tooMuch = fit.fits
      ? []
      : ["memory: nothing that can be changed here makes the run fit; take a smaller model, or a machine with more"]
    return {
      plan,
      choices: inPlanOrder(fit.choices),
      warnings: [...cautions(facts), ...tooMuch, ...resolved.warnings],
      resolved
    }
  })

const decoded = (input: ClassificationPlanInput) =>
  Effect.map(decodeRunPlan(input), (plan) => plan as ClassificationPlan)

/** Enough of a plan to look at model and data: one row a batch, and nothing cut. */
const headAlone = ({ seed, model, data }: Given): ClassificationPlanInput => ({
  seed,
  model,
  data: { ...data, maxLength: LONGEST },
  adapter: { method: "none" },
  optimizer: { kind: "adamw", learningRate: 1e-3 },
  training: { steps: 1, batchSize: 1, evaluateBatchSize: 1 }
})
// the most that a plan may say
const LONGEST = 8192

const factsOf = ({ model, data, lengths }: ResolvedClassificationPlan, held: number): Facts => {
  const { train, validation, test } = data.splits
  return {
    rows: train.rows - held,
    classes: data.labels.length,
    p95: lengths.p95,
    median: lengths.p50,
    longest: lengths.max,
    positions: model.maxLength,
    hiddenSize: model.hiddenSize,
    narrowest: Math.min(...model.sites.map((site) => Math.min(site.in, site.out))),
    linear: model.sites.reduce((sum, site) => sum + site.in * site.out, 0),
    validation: validation?.rows ?? (held > 0 ? held : null),
    test: test?.rows ?? null,
    newHead: model.head.pooling === "mean"
  }
}

/** The sections that are the user's, without what is suggested. */
const sectionsOf = ({ seed, model, data }: Given) => {
  const { maxLength: _, bucketPool: __, ...rows } = data
  const { weights: ___, ...base } = model
  return { seed, model: base, data: rows }
}

/** The same, with input paths as a plan in `directory` says them. */
const sectionsIn = (given: Given, plan: ClassificationPlan, directory: string) =>
  Effect.map(relocate(plan, directory), ({ model, data }) => {
    const sections = sectionsOf(given)
    const paths = (["train", "validation", "test"] as const).filter((name) => given.data[name] !== undefined)
    return {
      ...sections,
      model: { ...sections.model, source: model.source },
      data: { ...sections.data, ...Object.fromEntries(paths.map((name) => [name, data[name]])) }
    }
  })

/** Keys of `data` as plans have them: a share that is held out stands where a file would. */
const dataKeys = ["format", "train", "validation", "test", "text", "label", "labels", "maxLength"] as const

const inOrder = (plan: ClassificationPlanInput): ClassificationPlanInput => {
  const entries = dataKeys.flatMap((key) => (plan.data[key] === undefined ? [] : [[key, plan.data[key]]]))
  return { ...plan, data: Object.fromEntries(entries) as ClassificationPlanInput["data"] }
}

/** By the estimate of `validate`; a limit that was given is meant as it stands. */
const fits = (
  input: ClassificationPlanInput,
  { model, trainable, data }: ResolvedClassificationPlan,
  options: SuggestOptions
): boolean => {
  const found = decodeRunPlanResult(input)
  if (Result.isFailure(found)) return false
  const {
    total,
    weights,
    activations,
    trainable: moving
  } = estimateMemory(found.success as ClassificationPlan, model, trainable, data.splits.train.rows)
  const limit = options.memory ?? COMFORTABLE * machineMemory().available
  const addressed = options.device === "webgpu" || options.device === "cpu" ? Number.POSITIVE_INFINITY : FOUR_GIB
  return total <= limit && weights + moving + activations <= COMFORTABLE * addressed
}

const sections = ["model", "data", "adapter", "optimizer", "training"]

const inPlanOrder = (choices: ReadonlyArray<Choice>): ReadonlyArray<Choice> =>
  [...choices].sort((a, b) => sections.indexOf(a.path.split(".")[0]!) - sections.indexOf(b.path.split(".")[0]!))
