/** Heads of PEFT adapters over encoders: the head of a transformers class, or this library's head over mean pooling. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { describe, type ModelDescription } from "../../models/index.ts"
import { bareName, type PeftAdapter } from "../../peft/index.ts"

/** The head of an adapter. */
export interface AdoptedHead {
  /** pooling before it; absent: it is over tokens */
  readonly pooling?: "mean" | "pooler"
  /** where it starts, as in a plan */
  readonly start: "checkpoint" | "new"
  /** one label per output; null if only transformers' default names (LABEL_0 …) are known */
  readonly labels: ReadonlyArray<string> | null
  readonly outputs: number
  /** maximum number of tokens of the model */
  readonly maxLength: number
}

/** Reads the head of an adapter; null if the adapter's model has a different task. */
export const adoptedHead = (adapter: PeftAdapter, source: string) =>
  Effect.gen(function* () {
    if (!hasHead(adapter)) return null
    const pooling = isOverTokens(adapter) ? "tokens" : adapter.head.size > 0 ? "mean" : "pooler"
    // the number of outputs is not known yet: any two labels
    const described = yield* describe(source, { pooling, head: "new", labels: ["0", "1"] })
    const headOutputs = outputsIn(adapter, described.head)
    const start = headOutputs === undefined ? "checkpoint" : "new"
    const named = yield* Effect.result(describe(source, { pooling, head: start }))
    if (headOutputs === undefined && Result.isFailure(named)) return yield* named.failure
    const names = Result.isSuccess(named) ? named.success.labels : []
    const outputs = headOutputs ?? names.length
    const isNamed = names.length === outputs && !names.every((name, i) => name === `LABEL_${i}`)
    const head: AdoptedHead = {
      ...(pooling === "tokens" ? {} : { pooling }),
      start,
      labels: isNamed ? names : null,
      outputs,
      maxLength: described.maxLength
    }
    return head
  })

const hasHead = ({ config: { task, className }, tensors, head }: PeftAdapter): boolean =>
  task === "SEQ_CLS" ||
  task === "TOKEN_CLS" ||
  head.size > 0 ||
  (task === null &&
    (/For(Sequence|Token)Classification$/.test(className ?? "") || [...tensors.keys()].some(isOfClassifier)))

const isOverTokens = ({ config: { task, className } }: PeftAdapter): boolean =>
  task === "TOKEN_CLS" || (task === null && /ForTokenClassification$/.test(className ?? ""))

const isOfClassifier = (name: string): boolean => /^classifier\./.test(name)

/** Returns the number of outputs of the adapter's head; undefined if it uses the base model's head. */
const outputsIn = (
  { tensors, head }: PeftAdapter,
  { parameters, inCheckpoint }: ModelDescription["head"]
): number | undefined => {
  if (head.size > 0) return head.get("weight")?.shape[0]
  const complete = parameters.every(({ name }) => tensors.has(bareName(name)) || inCheckpoint.has(name))
  return complete ? tensors.get(bareName(parameters.at(-1)!.name))?.shape[0] : undefined
}
