/**
 * A plan for a user's data and model, and the reason for each of its values. Headers and rows are read, as `validate` reads them; no
 * weight is read and no device opened. What depends on the kind of run, the kind says (`Suggesting`).
 *
 *   model + data ─resolve (nothing cut)→ facts ─rules→ choices ─resolve→ memory ─fit→ choices → plan, which is resolved once more
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import {
  decodeRunPlan,
  decodeRunPlanResult,
  type PlanError,
  type RunPlan,
  type RunPlanInput
} from "../../schemas/index.ts"
import { counted } from "../boundary/index.ts"
import type { Sources } from "../hub/hub.ts"
import {
  COMFORTABLE,
  FOUR_GIB,
  type MemoryEstimate,
  machineMemory,
  type ResolvedPlan,
  type ResolveError,
  relocate
} from "../plan/index.ts"
import { type Choice, planOf, valueAt } from "./choice.ts"
import { fitted, type Knob } from "./memory-fit.ts"

interface Chosen {
  /** in the order of a plan */
  readonly choices: ReadonlyArray<Choice>
  /** what no value of the plan can mend, a sentence each */
  readonly cautions: ReadonlyArray<string>
}

/** What a plan's memory is estimated by. */
export type Estimated<R extends ResolvedPlan = ResolvedPlan> = Pick<R, "model" | "selected" | "trainable"> &
  Partial<Pick<R, "data">>

// methods, whose arguments a kind narrows to its own
export interface Suggesting<R extends ResolvedPlan = ResolvedPlan> {
  /** the largest `data.maxLength` that a plan may have; null where rows are not cut */
  readonly uncut: number | null
  /** the share of the training rows that is held out where no validation file is given */
  readonly heldOut: (rows: number) => Choice | null
  /** From a plan that cuts nothing and holds nothing out; `held`: training rows that will be held out. */
  choose(seen: R, held: number): Chosen
  /** What can be given up for memory, least harm first; one that comes again is turned further. */
  turns(choices: ReadonlyArray<Choice>): ReadonlyArray<Knob>
  /** Memory of a plan with the same model and rank; of rows that were not looked at, as if every batch were full. */
  estimate(plan: R["plan"], known: Estimated<R>): MemoryEstimate
}

/** A kind of run, as far as suggestions need it. */
interface SuggestedKind {
  readonly suggesting: Suggesting
  resolve(plan: ResolvedPlan["plan"], name: string): Effect.Effect<ResolvedPlan, ResolveError, Sources | Scope.Scope>
}

/** What a plan is suggested for: `model` and `data` of a plan, with absolute input paths. */
export type Given = Pick<RunPlan, "seed" | "model" | "data"> & {
  /** values of the two that were found by looking at model and rows, with the reason for each */
  readonly found?: ReadonlyArray<Choice>
}

export interface SuggestOptions {
  /** where the plan will run; "auto" may be wasm, and is fitted to it */
  readonly device: "auto" | "webgpu" | "native" | "wasm" | "cpu"
  /** bytes that a run may take; absent: what is free on this machine */
  readonly memory?: number
}

export interface Suggestion {
  /** as it is written to a file in `directory` */
  readonly plan: RunPlanInput
  /** in the order of a plan's sections */
  readonly choices: ReadonlyArray<Choice>
  /** what no value of the plan can mend, and what `validate` warns of */
  readonly warnings: ReadonlyArray<string>
  readonly resolved: ResolvedPlan
}

const NAME = "suggested plan"

/** Suggests a plan of `kind` for `directory`. Fails with what is wrong with the model or the data, all of it. */
export const suggest = (
  { suggesting: kind, resolve }: SuggestedKind,
  given: Given,
  directory: string,
  options: SuggestOptions
): Effect.Effect<Suggestion, PlanError | ResolveError, Sources | Scope.Scope> =>
  Effect.gen(function* () {
    const resolved_ = (input: RunPlanInput) => Effect.flatMap(decodeRunPlan(input), (plan) => resolve(plan, NAME))
    const seen = yield* resolved_(probed(given, kind))
    const { rows } = seen.data.splits.train
    const share = given.data.validation === undefined ? kind.heldOut(rows) : null
    const rules = kind.choose(seen, share === null ? 0 : Math.round((share.value as number) * rows))
    const chosen = [...(share === null ? [] : [share]), ...rules.choices]
    const sections = sectionsOf(given)
    const first = yield* resolved_(planOf(sections, chosen))
    const fit = fitted(chosen, kind.turns(chosen), (choices) => fits(planOf(sections, choices), kind, first, options))
    const resolved = yield* resolved_(planOf(sections, fit.choices))
    const plan = inOrder(planOf(yield* sectionsIn(given, resolved.plan, directory), fit.choices))
    const tooMuch = fit.fits
      ? []
      : ["memory: nothing that can be changed here makes the run fit; take a smaller model, or a machine with more"]
    return {
      plan,
      choices: inPlanOrder([...(given.found ?? []), ...fit.choices]),
      warnings: [...rules.cautions, ...tooMuch, ...resolved.warnings],
      resolved
    }
  })

/** Enough of a plan to resolve model and data: one row a batch, the smallest adapter, and nothing cut. */
const probed = ({ seed, model, data }: Given, { uncut }: Suggesting): RunPlanInput =>
  ({
    seed,
    model,
    data: uncut === null ? data : { ...data, maxLength: uncut },
    adapter: { method: "lora", rank: 1 },
    optimizer: { kind: "adamw", learningRate: 1e-3 },
    training: { steps: 1, batchSize: 1, evaluateBatchSize: 1 }
  }) as RunPlanInput

/** What of the sections is suggested anew. */
const anew: ReadonlySet<string> = new Set(["weights", "maxLength", "bucketPool", "packing"])

// an empty list is a default
const without = (section: object) =>
  Object.fromEntries(
    Object.entries(section).filter(([key, value]) => !anew.has(key) && !(Array.isArray(value) && value.length === 0))
  )

/** The sections that are the user's, without what is suggested. */
const sectionsOf = ({ seed, model, data }: Given) => ({ seed, model: without(model), data: without(data) })

/** The same, with input paths as a plan in `directory` says them. */
const sectionsIn = (given: Given, plan: RunPlan, directory: string) =>
  Effect.map(relocate(plan, directory), ({ model, data }) => {
    const sections = sectionsOf(given)
    const paths = (["train", "validation", "test"] as const).filter((name) => given.data[name] !== undefined)
    return {
      ...sections,
      model: { ...sections.model, source: model.source },
      data: {
        ...sections.data,
        ...Object.fromEntries(paths.map((name) => [name, data[name]])),
        ...("folder" in data ? { folder: data.folder } : {})
      }
    }
  })

/** A share that is held out takes the place of a file. */
const inOrder = (plan: RunPlanInput): RunPlanInput => {
  const { format, train, validation, test, ...columns } = plan.data
  const files = Object.entries({ format, train, validation, test }).filter(([, value]) => value !== undefined)
  return { ...plan, data: { ...Object.fromEntries(files), ...columns } } as RunPlanInput
}

/** By the estimate of `validate`; a given limit is taken as it is. */
const fits = (input: RunPlanInput, kind: Suggesting, resolved: ResolvedPlan, options: SuggestOptions): boolean => {
  const found = decodeRunPlanResult(input)
  if (Result.isFailure(found)) return false
  const { total, weights, activations, trainable } = kind.estimate(found.success, resolved)
  const limit = options.memory ?? COMFORTABLE * machineMemory().available
  const addressed = options.device === "webgpu" || options.device === "cpu" ? Number.POSITIVE_INFINITY : FOUR_GIB
  return total <= limit && weights + trainable + activations <= COMFORTABLE * addressed
}

const sections = ["model", "data", "loss", "adapter", "optimizer", "training"]

const inPlanOrder = (choices: ReadonlyArray<Choice>): ReadonlyArray<Choice> =>
  [...choices].sort((a, b) => sections.indexOf(a.path.split(".")[0]!) - sections.indexOf(b.path.split(".")[0]!))

const shown = (value: unknown): string =>
  typeof value === "object" ? JSON.stringify(value) : typeof value === "string" ? `"${value}"` : `${value}`

const instead = ({ path, value }: Choice, before: unknown): string => {
  const found = before === undefined ? undefined : valueAt(before, path)
  if (before === undefined || shown(found) === shown(value)) return ""
  return found === undefined ? " (the plan has none)" : ` (the plan has ${shown(found)})`
}

const lines = (choice: Choice, before: unknown, sourced: boolean): ReadonlyArray<string> => [
  `${choice.path}: ${shown(choice.value)}${instead(choice, before)}`,
  `    ${choice.reason}.`,
  ...(choice.source === undefined || !sourced ? [] : [`    Source: ${choice.source}.`])
]

/**
 * What is learned from what, and for how long, decides the most; then how rows are read, cut and held out. All of it follows from the user's
 * rows. Methods and rates come after them: those are what was measured elsewhere.
 */
const DECISIVE = [
  /^data\.(label|labelColumns|target|messages|completion|chosen|positive|score)$/,
  /^data\.(text|textPair|image|source|input|prompt|anchor)$/,
  /^training\.(steps|epochs)$/,
  /^data\.format$|^model\.task/,
  /^data\.maxLength$/,
  /^data\./,
  /^optimizer\.learningRate$/
]

const MOST_REASONS = 3

const weightOf = ({ path }: Choice): number => {
  const at = DECISIVE.findIndex((pattern) => pattern.test(path))
  return at < 0 ? DECISIVE.length : at
}

/** The choices that decide the most, in the order of a plan. */
const decisive = (choices: ReadonlyArray<Choice>): ReadonlyArray<Choice> => {
  const first = choices.toSorted((a, b) => weightOf(a) - weightOf(b)).slice(0, MOST_REASONS)
  return choices.filter((choice) => first.includes(choice))
}

/** How a suggestion is put into words. */
interface Wording {
  /** the reason for every value, with its source; else for those that decide the most */
  readonly why: boolean
  /** the plan that was given, whose other values are named */
  readonly before?: unknown
}

/** The choices with their reasons, then the warnings. */
export const suggestionText = ({ choices, warnings }: Suggestion, { why, before }: Wording): string => {
  const shownChoices = why ? choices : decisive(choices)
  const others = choices.length - shownChoices.length
  return [
    ...shownChoices.flatMap((choice) => lines(choice, before, why)),
    ...(others === 0 ? [] : [`${counted(others, "more value")}: --why shows all reasons.`]),
    ...(warnings.length === 0 ? [] : ["", ...warnings.map((warning) => `warning: ${warning}`)])
  ].join("\n")
}
