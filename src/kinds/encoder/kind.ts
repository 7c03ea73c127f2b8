/**
 * Facts shared by every kind over a Hugging Face encoder; and the kind of models with a head, without its rows and outputs: how its plans
 * are resolved, suggested, and created for external adapters.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { percent, shellWord } from "../../boundary/index.ts"
import type { BySplit, DataError, Located, RowSource, TextColumns, TextFields } from "../../data/index.ts"
import { describe } from "../../models/index.ts"
import type { OpenedData } from "../../plan/index.ts"
import type { Detecting } from "../../suggest/index.ts"
import type { Adopting, PlanKind, RunKind, World } from "../contract/index.ts"
import { suitedHead } from "../rows/classes.ts"
import type { AdoptedHead } from "./adopt.ts"
import { type EncoderPlan, longestText, type ResolvedEncoderPlan, resolveEncoder } from "./resolve.ts"
import { headSuggesting } from "./suggest.ts"

type Resolved = ResolvedEncoderPlan<EncoderPlan, OpenedData>

/** Facts shared by kinds over encoders. */
export const encoderFacts = {
  baseOf: (_: unknown, { folder }: Resolved["model"]) => folder,
  labelsOf: ({ labels }: Resolved["model"]) => labels
}

const linesWith =
  (what: string) =>
  ({ plan, model, lengths: { p50, p95, max, truncated } }: Resolved) => ({
    weights: unusedText(model),
    lengths: `${p50} tokens (median), ${p95} (95 %), ${max} (longest); ${percent(truncated)} ${what} ${longestText(plan, model)}`
  })

export const encoderWords = {
  model: ({ family, layers, hiddenSize }: Resolved["model"]) => `${family} (${layers} layers, ${hiddenSize} wide)`,
  modelName: ({ family }: Resolved["model"]) => family,
  untrained: () => "the untrained head",
  lines: linesWith("cut at"),
  json: ({ model: { family, folder, labels, unusedTensors }, lengths }: Resolved) => ({
    model: { family, folder, labels, unusedTensors },
    lengths
  })
}

const windowWords = { ...encoderWords, lines: linesWith("in windows of") }

const UNUSED_SHOWN = 4

type Read = Pick<Resolved["model"], "parameters" | "unusedTensors"> & {
  readonly head: Pick<Resolved["model"]["head"], "inCheckpoint">
}

/** Lists which tensors of the checkpoint are used and which are not, such as a head. */
export const unusedText = ({ parameters, head, unusedTensors }: Read): string => {
  const read = `${parameters.length + head.inCheckpoint.size} tensors of the checkpoint`
  if (unusedTensors.length === 0) return `${read}, all of them`
  const names = unusedTensors.slice(0, UNUSED_SHOWN).join(", ")
  const more = unusedTensors.length > UNUSED_SHOWN ? ` and ${unusedTensors.length - UNUSED_SHOWN} more` : ""
  return `${read}; not used: ${names}${more}`
}

/** A plan over texts or pairs of texts, for an encoder with a head. */
export interface HeadPlan extends Omit<EncoderPlan, "model" | "data"> {
  readonly model: EncoderPlan["model"] & {
    /** `pooling`: absent for a head over tokens */
    readonly task: { readonly kind: string; readonly pooling?: "mean" | "pooler" }
    readonly head?: "new" | "zeros" | "checkpoint"
  }
  readonly data: EncoderPlan["data"] & Partial<TextColumns>
}

interface HeadData extends OpenedData {
  readonly splits: BySplit<RowSource<TextFields & Located>>
}

type HeadKindOf<Plan extends EncoderPlan & HeadPlan, Data extends HeadData> = RunKind<
  Plan,
  ResolvedEncoderPlan<Plan, Data>
>

/** The parts of a kind with a head that differ between kinds. */
interface HeadKind<Plan extends EncoderPlan & HeadPlan, Data extends HeadData>
  extends Pick<HeadKindOf<Plan, Data>, "metrics" | "headline" | "baseline" | "details" | "runner" | "publisher"> {
  /** Opens the rows until the scope closes. Fails with all problems at once. */
  open(plan: Plan): Effect.Effect<Data, DataError, World>
  /** Names of the outputs: those of opened rows, and those that the plan states. */
  readonly outputs: {
    fromRows(data: Data): ReadonlyArray<string>
    planned(data: Plan["data"]): ReadonlyArray<string> | undefined
  }
  /** returns fields of the data section that the plan omits and the rows determine */
  settled(data: Data): Partial<Plan["data"]>
  /** whether outputs are classes (one or several per row) and not numbers */
  readonly classes: boolean
  readonly words: Pick<PlanKind<Plan, ResolvedEncoderPlan<Plan, Data>>["words"], "prediction" | "rows">
  /** whether texts that are too long are read in windows, rather than cut; default: cut */
  readonly windows?: true
  readonly detecting: Detecting
  /** Conversion of external adapters with a head; absent for kinds without a PEFT head. */
  readonly adopting?: {
    /** "tokens" for a kind with a head over tokens; absent: over texts */
    readonly over?: "tokens"
    /** returns the task's `kind` and the data section; null if the head is of a different kind */
    sections(
      head: AdoptedHead,
      evaluated: boolean
    ): { readonly kind: string; readonly data: Readonly<Record<string, unknown>> } | null
    readonly sample: Adopting["sample"]
  }
}

export const headKind = <Plan extends EncoderPlan & HeadPlan, Data extends HeadData>({
  open,
  outputs,
  settled,
  classes,
  words,
  detecting,
  adopting,
  windows,
  ...kindOptions
}: HeadKind<Plan, Data>): HeadKindOf<Plan, Data> => ({
  ...kindOptions,
  ...encoderFacts,
  labelsOf: ({ labels }) => (classes ? labels : []),
  describe: ({ model, data }) =>
    describe(model.source, { ...pooled(model.task), head: model.head ?? "new", labels: outputs.planned(data) }),
  resolve: (plan, name) =>
    Effect.gen(function* () {
      const { source } = plan.model
      const task = pooled(plan.model.task)
      const planned = outputs.planned(plan.data)
      const rows = yield* Effect.result(open(plan))
      const foundLabels = classes && Result.isSuccess(rows) ? outputs.fromRows(rows.success) : undefined
      const { head, labels: headLabels } =
        plan.model.head === undefined
          ? yield* suitedHead(foundLabels, planned !== undefined, describe(source, { ...task, head: "checkpoint" }))
          : { head: plan.model.head, labels: undefined }
      const data =
        headLabels === undefined
          ? rows
          : yield* Effect.result(open({ ...plan, data: { ...plan.data, labels: headLabels } }))
      // if rows could not be read, the model is still checked, without a problem for its missing labels
      const standIns = head === "checkpoint" ? undefined : ["0", "1"]
      const labels = Result.isSuccess(data) ? outputs.fromRows(data.success) : (planned ?? standIns)
      const model = yield* Effect.result(describe(source, { ...task, head, labels }))
      return yield* resolveEncoder(plan, name, {
        data,
        model,
        textsOf: ({ splits }) => splits.train,
        ...(windows === undefined ? {} : { windows }),
        filled: (openedData) => ({
          ...plan,
          model: { ...plan.model, head },
          data: { ...plan.data, ...settled(openedData) }
        })
      })
    }),
  words: { ...(windows === undefined ? encoderWords : windowWords), ...words },
  suggesting: headSuggesting(
    (data) => (classes ? outputs.fromRows(data).length : null),
    "accuracy" in kindOptions.metrics
  ),
  detecting,
  ...(adopting === undefined ? {} : { adopting: { sample: adopting.sample, sections: adoptedSections(adopting) } }),
  next: ({ data }, run) => `predict ${run} ${exampleArgument(data)}`
})

const pooled = ({ pooling }: HeadPlan["model"]["task"]) => ({ pooling: pooling ?? ("tokens" as const) })

const adoptedSections =
  ({ sections: of, over }: NonNullable<HeadKind<never, never>["adopting"]>): Adopting["sections"] =>
  (adapter, source, evaluated) =>
    Effect.gen(function* () {
      const { adoptedHead } = yield* Effect.promise(() => import("./adopt.ts"))
      const head = yield* adoptedHead(adapter, source)
      if (head === null || (over === undefined) !== (head.pooling !== undefined)) return null
      const sections = of(head, evaluated)
      if (sections === null) return null
      const { kind, data } = sections
      const { pooling } = head
      return {
        model: { source, head: head.start, task: { kind, ...(pooling === undefined ? {} : { pooling }) } },
        data: { format: kind, train: "none.jsonl", maxLength: head.maxLength, ...data }
      }
    })

/** Returns a sample row as a word of a shell. */
export const exampleArgument = ({ text = "text", textPair }: Partial<TextColumns>): string =>
  textPair === undefined ? '"your text"' : shellWord(JSON.stringify({ [text]: "your text", [textPair]: "the other" }))
