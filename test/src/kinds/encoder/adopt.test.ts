import { expect, test } from "bun:test"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { adoptedHead } from "../../../../src/kinds/encoder/adopt.ts"
import { platform } from "../../../../src/platform.ts"

const bert = join(import.meta.dir, "../../../golden/models/bert")
const headOf = (adapter: {
  readonly task: string | null
  readonly className?: string
  readonly names?: ReadonlyArray<string>
}) =>
  Effect.runPromise(
    adoptedHead(
      {
        config: { task: adapter.task, className: adapter.className ?? null },
        tensors: new Map((adapter.names ?? []).map((name) => [name, { shape: [3, 32] }])),
        head: new Map()
      } as never,
      bert
    ).pipe(Effect.provide(platform))
  )

test("an adapter has a head where its task, its class or its tensors say so, and of others there is none", async () => {
  expect(await headOf({ task: null })).toBeNull()
  expect(await headOf({ task: "CAUSAL_LM" })).toBeNull()
  expect(await headOf({ task: "FEATURE_EXTRACTION", names: ["classifier.weight", "classifier.bias"] })).toBeNull()
  expect(await headOf({ task: null, className: "BertModel" })).toBeNull()
  for (const adapter of [{ task: "SEQ_CLS" }, { task: null, className: "BertForSequenceClassification" }])
    expect(await headOf(adapter)).toMatchObject({
      pooling: "pooler",
      start: "checkpoint",
      outputs: 3
    })
  for (const adapter of [{ task: "TOKEN_CLS" }, { task: null, className: "BertForTokenClassification" }])
    expect(await headOf(adapter)).toEqual({ start: "checkpoint", labels: null, outputs: 3, maxLength: 40 })
})
