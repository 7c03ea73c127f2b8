/**
 * Suggests a plan for the user's data and model, with the reason for each value. Reads headers and rows, as `validate` does; does not read
 * weights or open a device. Values that depend on the kind of run come from the kind (`Suggesting`).
 *
 *   model + data ─resolve (no truncation)→ facts ─rules→ choices ─resolve→ memory ─fit→ choices → plan, which is resolved once more
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
import { LanguageGuesser } from "../data/index.ts"
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
  /** chosen values, in the order of a plan's sections */
  readonly choices: ReadonlyArray<Choice>
  /** problems that no value of the plan can fix, one sentence each */
  readonly cautions: ReadonlyArray<string>
}

/** Properties of a resolved plan that its memory estimate depends on. */
export type Estimated<R extends ResolvedPlan = ResolvedPlan> = Pick<R, "model" | "selected" | "trainable"> &
  Partial<Pick<R, "data">>

// methods, whose arguments a kind narrows to its own type
export interface Suggesting<R extends ResolvedPlan = ResolvedPlan> {
  /** maximum value of `data.maxLength`; null if rows are not truncated */
  readonly uncut: number | null
  /** chooses the share of the training rows to hold out if there is no validation file */
  readonly heldOut: (rows: number) => Choice | null
  /** Chooses values from a plan without truncation or held-out rows. `held`: training rows that will be held out. */
  choose(full: R, heldOut: number): Chosen
  /** Returns reductions to save memory, least harmful first; a knob that appears again is lowered further. */
  turns(choices: ReadonlyArray<Choice>): ReadonlyArray<Knob>
  /** Estimates the memory of a plan with the same model and rank, with every batch full. */
  estimate(plan: R["plan"], sizes: Estimated<R>): MemoryEstimate
}

/** A kind of run, as suggestions use it. */
interface SuggestedKind {
  readonly suggesting: Suggesting
  resolve(plan: ResolvedPlan["plan"], name: string): Effect.Effect<ResolvedPlan, ResolveError, Sources | Scope.Scope>
}

/** Input of a suggestion: `model` and `data` of a plan, with absolute input paths. */
export type Given = Pick<RunPlan, "seed" | "model" | "data"> & {
  /** values of the two that were detected from model and rows, each with its reason */
  readonly detected?: ReadonlyArray<Choice>
}

export interface SuggestOptions {
  /** device that the plan will run on; "auto" may be wasm, and is treated as such */
  readonly device: "auto" | "webgpu" | "native" | "wasm" | "cpu"
  /** bytes that a run may use; default: the free memory of this machine */
  readonly memory?: number
}

export interface Suggestion {
  /** the plan to write to a file in `directory` */
  readonly plan: RunPlanInput
  /** chosen values, in the order of a plan's sections */
  readonly choices: ReadonlyArray<Choice>
  /** problems that no value of the plan can fix, and warnings of `validate` */
  readonly warnings: ReadonlyArray<string>
  readonly resolved: ResolvedPlan
}

const NAME = "suggested plan"

/** Suggests a plan of `kind` for `directory`. Fails with all problems of the model and the data. */
export const suggest = (
  { suggesting: kind, resolve }: SuggestedKind,
  request: Given,
  directory: string,
  options: SuggestOptions
): Effect.Effect<Suggestion, PlanError | ResolveError, Sources | Scope.Scope> =>
  Effect.gen(function* () {
    const resolved_ = (input: RunPlanInput) => Effect.flatMap(decodeRunPlan(input), (plan) => resolve(plan, NAME))
    // only the warnings of the last resolution are shown, and guessing the language is slow
    const withoutGuess = Effect.provideService(LanguageGuesser, Effect.undefined)
    const full = yield* withoutGuess(resolved_(probed(request, kind)))
    const { rows } = full.data.splits.train
    const share = request.data.validation === undefined ? kind.heldOut(rows) : null
    const rules = kind.choose(full, share === null ? 0 : Math.round((share.value as number) * rows))
    const chosen = [...(share === null ? [] : [share]), ...rules.choices]
    const sections = sectionsOf(request)
    const first = yield* withoutGuess(resolved_(planOf(sections, chosen)))
    const fit = fitted(chosen, kind.turns(chosen), (choices) => fits(planOf(sections, choices), kind, first, options))
    const resolved = yield* resolved_(planOf(sections, fit.choices))
    const plan = inOrder(planOf(yield* sectionsIn(request, resolved.plan, directory), fit.choices))
    const tooMuch = fit.fits
      ? []
      : ["memory: no change to the plan makes the run fit; use a smaller model or a machine with more memory"]
    return {
      plan,
      choices: inPlanOrder([...(request.detected ?? []), ...fit.choices]),
      warnings: [...rules.cautions, ...tooMuch, ...resolved.warnings],
      resolved
    }
  })

/** Returns a minimal plan to resolve model and data: one row per batch, the smallest adapter, no truncation. */
const probed = ({ seed, model, data }: Given, { uncut }: Suggesting): RunPlanInput =>
  ({
    seed,
    model,
    data: uncut === null ? data : { ...data, maxLength: uncut },
    adapter: { method: "lora", rank: 1 },
    optimizer: { kind: "adamw", learningRate: 1e-3 },
    training: { steps: 1, batchSize: 1, evaluateBatchSize: 1 }
  }) as RunPlanInput

/** Fields of the sections that are suggested again. */
const anew: ReadonlySet<string> = new Set(["weights", "maxLength", "bucketPool", "packing"])

// an empty list is a default
const without = (section: object) =>
  Object.fromEntries(
    Object.entries(section).filter(([key, value]) => !anew.has(key) && !(Array.isArray(value) && value.length === 0))
  )

/** Returns the user's sections, without suggested values. */
const sectionsOf = ({ seed, model, data }: Given) => ({ seed, model: without(model), data: without(data) })

/** Returns the user's sections with input paths relative to `directory`. */
const sectionsIn = (request: Given, plan: RunPlan, directory: string) =>
  Effect.map(relocate(plan, directory), ({ model, data }) => {
    const sections = sectionsOf(request)
    const paths = (["train", "validation", "test"] as const).filter((name) => request.data[name] !== undefined)
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

/** Orders the sections; a held-out share replaces a file. */
const inOrder = (plan: RunPlanInput): RunPlanInput => {
  const { format, train, validation, test, ...columns } = plan.data
  const files = Object.entries({ format, train, validation, test }).filter(([, value]) => value !== undefined)
  return { ...plan, data: { ...Object.fromEntries(files), ...columns } } as RunPlanInput
}

/** Checks the memory estimate of `validate`; a limit given by the user is used unchanged. */
const fits = (input: RunPlanInput, kind: Suggesting, resolved: ResolvedPlan, options: SuggestOptions): boolean => {
  const decoded = decodeRunPlanResult(input)
  if (Result.isFailure(decoded)) return false
  const { total, weights, activations, trainable } = kind.estimate(decoded.success, resolved)
  const limit = options.memory ?? COMFORTABLE * machineMemory().available
  const addressed = options.device === "webgpu" || options.device === "cpu" ? Number.POSITIVE_INFINITY : FOUR_GIB
  return total <= limit && weights + trainable + activations <= COMFORTABLE * addressed
}

const sections = ["model", "data", "loss", "adapter", "optimizer", "training"]

const inPlanOrder = (choices: ReadonlyArray<Choice>): ReadonlyArray<Choice> =>
  [...choices].sort((a, b) => sections.indexOf(a.path.split(".")[0]!) - sections.indexOf(b.path.split(".")[0]!))

const showChoice = (value: unknown): string =>
  typeof value === "object" ? JSON.stringify(value) : typeof value === "string" ? `"${value}"` : `${value}`

const instead = ({ path, value }: Choice, before: unknown): string => {
  const present = before === undefined ? undefined : valueAt(before, path)
  if (before === undefined || showChoice(present) === showChoice(value)) return ""
  return present === undefined ? " (the plan has none)" : ` (the plan has ${showChoice(present)})`
}

const lines = (choice: Choice, before: unknown, sourced: boolean): ReadonlyArray<string> => [
  `${choice.path}: ${showChoice(choice.value)}${instead(choice, before)}`,
  `    ${choice.reason}.`,
  ...(choice.source === undefined || !sourced ? [] : [`    Source: ${choice.source}.`])
]

/**
 * The task, its inputs and the length of the run matter most; then how rows are read, truncated and held out. All of these follow from the
 * user's rows. Methods and rates come last: they were measured elsewhere.
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

/** Returns the choices that matter most, in the order of a plan. */
const decisive = (choices: ReadonlyArray<Choice>): ReadonlyArray<Choice> => {
  const first = choices.toSorted((a, b) => weightOf(a) - weightOf(b)).slice(0, MOST_REASONS)
  return choices.filter((choice) => first.includes(choice))
}

/** Options for the text of a suggestion. */
interface Wording {
  /** whether to print the reason for every value, with its source; default: only for those that matter most */
  readonly why: boolean
  /** the original plan, whose replaced values are printed */
  readonly before?: unknown
}

/** Formats the choices with their reasons, then the warnings. */
export const suggestionText = ({ choices, warnings }: Suggestion, { why, before }: Wording): string => {
  const shownChoices = why ? choices : decisive(choices)
  const hidden = choices.length - shownChoices.length
  return [
    ...shownChoices.flatMap((choice) => lines(choice, before, why)),
    ...(hidden === 0 ? [] : [`${counted(hidden, "more value")}: --why shows all reasons.`]),
    ...(warnings.length === 0 ? [] : ["", ...warnings.map((warning) => `warning: ${warning}`)])
  ].join("\n")
}
