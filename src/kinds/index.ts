/** The kinds of runs by `data.format`. A kind is loaded with the first plan that needs it: a page over texts does not load image kinds. */
import * as Effect from "effect/Effect"
import type { RunPlan } from "../../schemas/index.ts"
import type { LabelledText } from "../data/index.ts"
import { processesProblem, ResolveError } from "../plan/index.ts"
import type { LoadedKind, RunKind, World } from "./contract/index.ts"
import type { JudgedPlan } from "./describe.ts"

type Format = RunPlan["data"]["format"]

// one loader for all formats of a kind
const causal = async () => (await import("./language/causal/index.ts")).causal

const table = {
  classification: async () => (await import("./encoder/classification/index.ts")).classification,
  arrays: async () => (await import("./layers/arrays/index.ts")).arrays,
  chat: causal,
  completion: causal,
  text: causal,
  preference: async () => (await import("./language/preference/index.ts")).preference,
  seq2seq: async () => (await import("./language/seq2seq/index.ts")).seq2seq,
  regression: async () => (await import("./encoder/regression/index.ts")).regression,
  "multi-label": async () => (await import("./encoder/multi-label/index.ts")).multiLabel,
  "token-classification": async () => (await import("./encoder/token-classification/index.ts")).tokenClassification,
  embedding: async () => (await import("./encoder/embedding/index.ts")).embedding,
  similarity: async () => (await import("./encoder/embedding/index.ts")).similarity,
  images: async () => (await import("./images/index.ts")).images,
  "image-arrays": async () => (await import("./layers/image-arrays/index.ts")).imageArrays
} satisfies { readonly [F in Format]: () => Promise<RunKind> }

/** Loads the kind of a plan. Its functions accept plans and models of that kind only. */
export const kindOf = ({ data }: { readonly data: { readonly format: Format } }): Effect.Effect<RunKind> =>
  Effect.promise<RunKind>(() => table[data.format]())

/** Loads the kind of a plan with its runner. */
export const loadKind = (plan: RunPlan): Effect.Effect<LoadedKind> =>
  Effect.gen(function* () {
    const kind = yield* kindOf(plan)
    return { ...kind, ...(yield* Effect.promise(kind.runner)) }
  })

/** All kinds, each once, in the order in which they try to describe a model. */
export const kinds: ReadonlyArray<Effect.Effect<RunKind>> = [
  ...new Set<() => Promise<RunKind>>(Object.values(table))
].map((load) => Effect.promise(load))

type Resolved<Plan extends RunPlan> = Effect.Success<
  ReturnType<Awaited<ReturnType<(typeof table)[Plan["data"]["format"]]>>["resolve"]>
>
/** The result of resolving a plan. */
type Resolving<Plan extends RunPlan> = Effect.Effect<Resolved<Plan>, ResolveError, World>

/**
 * Resolves a plan: checks it against its files (headers of the weights, the tokenizer, every row of the data) without reading weights or
 * opening a device. Fails with all problems at once. `validate` prints the result; `train` runs it.
 */
export const resolve = <Plan extends RunPlan>(plan: Plan, name: string): Resolving<Plan> =>
  Effect.flatMap(kindOf(plan), (kind) => resolvePlan(kind, plan, name)) as Resolving<Plan>

const metricRule = Effect.promise(() => import("./judge.ts").then((room) => room.metricProblems))

/** Resolves a plan whose kind is loaded. `processes`: number of training processes. */
export const resolvePlan = (
  kind: RunKind,
  plan: RunPlan,
  name: string,
  processes = 1
): ReturnType<RunKind["resolve"]> =>
  Effect.gen(function* () {
    const metric = plan.training.stopEarly?.metric
    const few = processesProblem(plan, processes)
    const ruleProblems = [
      ...(metric === undefined ? [] : (yield* metricRule)(kind, metric)),
      ...(few === undefined ? [] : [few])
    ]
    const failed = ({ problems }: ResolveError) =>
      Effect.gen(function* () {
        const { otherFormats } = yield* Effect.promise(() => import("./judge.ts"))
        const formatProblems = yield* otherFormats(kinds, kind, plan)
        return yield* new ResolveError({ name, problems: [...ruleProblems, ...formatProblems, ...problems] })
      })
    const resolved = yield* kind.resolve(plan, name).pipe(Effect.catchTag("ResolveError", failed))
    return ruleProblems.length === 0 ? resolved : yield* new ResolveError({ name, problems: ruleProblems })
  })

/**
 * Checks a plan against its model without reading rows. For a folder without weights, the weights follow from its config.json. `kind`: the
 * plan's.
 */
export const judgePlan = (kind: RunKind, plan: RunPlan, name: string): Effect.Effect<JudgedPlan, ResolveError, World> =>
  Effect.flatMap(
    Effect.promise(() => import("./judge.ts")),
    (room) => room.judgePlan(kind, plan, name)
  )

/** Loads the model in a Hugging Face folder for text embeddings, until the scope closes. */
export const openEmbedder = (folder: string) =>
  Effect.flatMap(
    Effect.promise(() => import("./encoder/embedding/run.ts")),
    (room) => room.openEmbedder(folder)
  )

/** Loads the encoder-decoder in a Hugging Face folder, until the scope closes; undefined if the folder has a different kind of model. */
export const openWriter = (folder: string) =>
  Effect.flatMap(
    Effect.promise(() => import("./language/seq2seq/run.ts")),
    (room) => room.openWriter(folder)
  )

/** Returns the image of a row as a small PNG in a data: URI; undefined if it cannot be read. */
export const pictureOf = (row: LabelledText): Effect.Effect<string | undefined> =>
  Effect.flatMap(
    Effect.promise(() => import("./rows/pictures.ts")),
    (room) => room.pictureOf(row)
  )

export * from "./contract/index.ts"
export * from "./describe.ts"
