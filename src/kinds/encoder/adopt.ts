/** The heads of adapters of PEFT over encoders: that of transformers' class, or one of ours over mean pooling. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { describe, type ModelDescription } from "../../models/index.ts"
import { bareName, type PeftAdapter } from "../../peft/index.ts"

/** What an adapter with a head says of it. */
export interface AdoptedHead {
  /** of `model` */
  readonly model: { readonly task: { readonly pooling: "mean" | "pooler" }; readonly head: "checkpoint" | "new" }
  /** as many as it has outputs; null where transformers' own names (LABEL_0 …) are all that there are */
  readonly labels: ReadonlyArray<string> | null
  readonly outputs: number
  /** positions of the model */
  readonly maxLength: number
}

/** Null where the adapter is of no model with such a head. */
export const adoptedHead = (adapter: PeftAdapter, source: string) =>
  Effect.gen(function* () {
    if (!hasHead(adapter)) return null
    const pooling = adapter.head.size > 0 ? "mean" : "pooler"
    // its outputs are not known yet: any two
    const described = yield* describe(source, { pooling, head: "new", labels: ["0", "1"] })
    const own = outputsIn(adapter, described.head)
    const start = own === undefined ? "checkpoint" : "new"
    const named = yield* Effect.result(describe(source, { pooling, head: start }))
    if (own === undefined && Result.isFailure(named)) return yield* named.failure
    const names = Result.isSuccess(named) ? named.success.labels : []
    const outputs = own ?? names.length
    const isNamed = names.length === outputs && !names.every((name, i) => name === `LABEL_${i}`)
    const head: AdoptedHead = {
      model: { task: { pooling }, head: start },
      labels: isNamed ? names : null,
      outputs,
      maxLength: described.maxLength
    }
    return head
  })

const hasHead = ({ config: { task, className }, tensors, head }: PeftAdapter): boolean =>
  task === "SEQ_CLS" ||
  head.size > 0 ||
  (task === null && (/ForSequenceClassification$/.test(className ?? "") || [...tensors.keys()].some(isOfClassifier)))

const isOfClassifier = (name: string): boolean => /^classifier\./.test(name)

/** The outputs of the head that the adapter brings; undefined where the head is the base's own. */
const outputsIn = (
  { tensors, head }: PeftAdapter,
  { parameters, inCheckpoint }: ModelDescription["head"]
): number | undefined => {
  if (head.size > 0) return head.get("weight")?.shape[0]
  const complete = parameters.every(({ name }) => tensors.has(bareName(name)) || inCheckpoint.has(name))
  return complete ? tensors.get(bareName(parameters.at(-1)!.name))?.shape[0] : undefined
}
