/** Every kind of run by several ranks: the folder, the report and every number are those of one rank, and each row is evaluated by one of them. */
import { beforeAll, describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { Device } from "../../../src/device/index.ts"
import { platform } from "../../../src/platform.ts"
import { evaluateRun, loadRun } from "../../../src/trained/index.ts"
import {
  causalData,
  causalPlan,
  decoder,
  preferencePlan,
  writePreferences,
  writeRows
} from "../../e2e/causal-workspace.ts"
import { jsonLines, TIMEOUT, tinyPlan } from "../../e2e/fixtures.ts"
import { imagesPlan, imagesWorkspace } from "../../e2e/images-workspace.ts"
import { seq2seqPlan, t5, writeSourceTargets } from "../../e2e/seq2seq-workspace.ts"
import { relatedRows, scoredRows, topicRows } from "../../e2e/text-kinds.ts"
import { expectSame, trainOnRanks } from "../../e2e/train-on-ranks.ts"
import { ranksInProcess } from "../../ranks.ts"

const { w } = imagesWorkspace()

beforeAll(() => {
  w.model("bert")
  decoder(w, "llama")
  t5(w)
  writeRows(w)
  writePreferences(w)
  writeSourceTargets(w)
  for (const [name, rows] of Object.entries({ scored: scoredRows, topics: topicRows, related: relatedRows })) {
    w.write(`${name}.jsonl`, jsonLines(rows(24)))
    w.write(`${name}-more.jsonl`, jsonLines(rows(11, 24)))
  }
})

const training = { steps: 4, batchSize: 4, accumulate: 2, evaluateBatchSize: 2, evaluateEvery: 2 }
const output = { checkpointEvery: 2, keepCheckpoints: 2 }
const encoder = (data: Record<string, unknown>) =>
  tinyPlan("bert", { data: { maxLength: 16, ...data }, training, output })

const plans = {
  classification: tinyPlan("bert", { training, output }),
  regression: encoder({
    format: "regression",
    train: "scored.jsonl",
    validation: "scored-more.jsonl",
    target: "stars"
  }),
  "multi-label": encoder({ format: "multi-label", train: "topics.jsonl", validation: "topics-more.jsonl" }),
  embedding: encoder({
    format: "embedding",
    train: "related.jsonl",
    validation: "related-more.jsonl",
    anchor: "query",
    positive: "document"
  }),
  causal: causalPlan("llama", "chat", { data: causalData("chat", { packing: true }), training, output }),
  preference: preferencePlan("llama", { training, output }),
  seq2seq: seq2seqPlan("t5", { training, output }),
  images: imagesPlan({}, { training, output })
}

/** Evaluates a run on ranks: what each reports, and how often each asked the model. */
const evaluated = (directory: string, size: number) =>
  Effect.gen(function* () {
    const passes = new Array<number>(size).fill(0)
    const program = (rank: number) =>
      Effect.gen(function* () {
        const run = yield* loadRun(w.path(directory))
        const forward: typeof run.adapted.forward = (...given) => {
          passes[rank]!++
          return run.adapted.forward(...given)
        }
        return yield* evaluateRun({ ...run, adapted: { ...run.adapted, forward } })
      }).pipe(Effect.scoped)
    const reports = yield* ranksInProcess(size).run(program)
    return { reports, passes }
  }).pipe(Effect.provide(Device.layer("wasm", { threads: 1 })), Effect.provide(platform), (program) =>
    Effect.runPromise(program)
  )

for (const [kind, plan] of Object.entries(plans))
  describe(kind, () => {
    beforeAll(async () => {
      w.write(`${kind}.json`, plan)
      await trainOnRanks(w, 1, `${kind}.json`, { directory: `1/${kind}` })
    }, TIMEOUT)

    test("three ranks leave what one does", () => expectSame(w, kind, 3), TIMEOUT)

    test(
      "each row is evaluated by one of them",
      async () => {
        const alone = await evaluated(`1/${kind}`, 1)
        const three = await evaluated(`1/${kind}`, 3)
        expect(three.reports).toEqual([0, 1, 2].map(() => alone.reports[0]!))
        const [all] = alone.passes as [number]
        expect(three.passes.reduce((sum, own) => sum + own, 0)).toBe(all)
        expect(Math.min(...three.passes)).toBeGreaterThan(0)
      },
      TIMEOUT
    )
  })
