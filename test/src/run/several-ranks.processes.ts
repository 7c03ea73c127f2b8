/** Every kind of run by several ranks: the folder, the report and every number are those of one rank, and each row is evaluated by one of them. */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Device } from "../../../src/device/index.ts"
import { loadKind } from "../../../src/kinds/index.ts"
import { platform } from "../../../src/platform.ts"
import type { ProgressEvent } from "../../../src/run/index.ts"
import { evaluateRun, loadRun } from "../../../src/trained/index.ts"
import { overAll, type RowScores, scoreOf } from "../../../src/training/index.ts"
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
import { pictures, plan as picturesPlan } from "../../e2e/pictures.ts"
import { seq2seqPlan, t5, writeSourceTargets } from "../../e2e/seq2seq-workspace.ts"
import { relatedRows, scoredRows, taggedRows, topicRows } from "../../e2e/text-kinds.ts"
import { alike, endsOf, expectSame, trainOnRanks } from "../../e2e/train-on-ranks.ts"
import { ranksInProcess } from "../../ranks.ts"

const { w } = imagesWorkspace()
pictures(w)

beforeAll(() => {
  w.model("bert")
  decoder(w, "llama")
  t5(w)
  writeRows(w)
  writePreferences(w)
  writeSourceTargets(w)
  for (const [name, rows] of Object.entries({
    scored: scoredRows,
    topics: topicRows,
    tagged: taggedRows,
    related: relatedRows,
    alike: alikeRows
  })) {
    w.write(`${name}.jsonl`, jsonLines(rows(24)))
    w.write(`${name}-more.jsonl`, jsonLines(rows(11, 24)))
  }
})

const alikeRows = (count: number, offset = 0) =>
  relatedRows(count, offset).map((row, i) => ({ ...row, score: (i % 5) / 4 }))

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
  // windows of six tokens: most rows have several
  "token-classification": encoder({
    format: "token-classification",
    train: "tagged.jsonl",
    validation: "tagged-more.jsonl",
    maxLength: 6,
    stride: 2
  }),
  embedding: encoder({
    format: "embedding",
    train: "related.jsonl",
    validation: "related-more.jsonl",
    anchor: "query",
    positive: "document"
  }),
  similarity: encoder({
    format: "similarity",
    train: "alike.jsonl",
    validation: "alike-more.jsonl",
    text: "query",
    textPair: "document",
    score: "score"
  }),
  causal: causalPlan("llama", "chat", { data: causalData("chat", { packing: true }), training, output }),
  preference: preferencePlan("llama", { training, output }),
  seq2seq: seq2seqPlan("t5", { training, output }),
  images: imagesPlan({}, { training, output }),
  arrays: picturesPlan({ training, output })
}

/** Every metric of a run on its validation rows, as the evaluation says it and as functions of the rows say it of all of them. */
const metricsOf = (directory: string) =>
  Effect.gen(function* () {
    const { plan, adapted } = yield* loadRun(w.path(directory))
    const kind = yield* loadKind(plan)
    const { validation, train } = yield* kind.splits(adapted, plan)
    let scores: RowScores = {}
    const scored = (own: RowScores) => {
      scores = own
    }
    const evaluation = yield* kind.evaluate(adapted, plan, validation ?? train, { scored, done: () => Effect.void })
    const names = Object.keys(kind.metrics).filter((name) => kind.metrics[name]!.better !== null)
    return {
      names: names.filter((name) => scoreOf(evaluation, name) !== null),
      missing: names.filter((name) => scoreOf(evaluation, name) !== null && scores[name] === undefined),
      said: (name: string) => scoreOf(evaluation, name)!,
      overAll: (name: string) => overAll(scores[name]!),
      rows: evaluation.rows,
      scores
    }
  }).pipe(Effect.scoped, Effect.provide(Device.layer("wasm", { threads: 1 })), Effect.provide(platform), (program) =>
    Effect.runPromise(program)
  )

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
      "each metric is a function of the rows",
      async () => {
        const { names, missing, said, overAll: over, scores, rows } = await metricsOf(`1/${kind}`)
        expect(names.length).toBeGreaterThan(0)
        expect(missing).toEqual([])
        // float64, summed in another order
        for (const name of names)
          expect([name, Math.abs(over(name) - said(name)) <= 1e-6 * Math.abs(said(name))]).toEqual([name, true])
        for (const name of names) expect(scores[name]!.size).toBeLessThanOrEqual(rows)
      },
      TIMEOUT
    )

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

/** What a run does besides, of which each has its own way to differ from rank to rank. */
const newest = { checkpointEvery: 2, keepCheckpoints: 1 }
const besides = {
  "diagnostics and a rate that is found": tinyPlan("bert", {
    optimizer: { kind: "lora-pro", learningRate: "auto" },
    training: { ...training, diagnostics: { every: 2 } },
    output: newest
  }),
  "ranks that an init decides": tinyPlan("bert", {
    adapter: { method: "lora", rank: 4, alpha: 8, init: { kind: "gora", batches: 2 } },
    training,
    output: newest
  }),
  "blocks computed once": tinyPlan("bert", {
    adapter: { method: "lora", rank: 4, alpha: 8, dropout: 0.2, targets: ["encoder.layer.1.**"] },
    optimizer: { kind: "adamw", learningRate: 1e-3 },
    training: { ...training, steps: 8 },
    output: newest
  }),
  "ranks that are given up": tinyPlan("bert", {
    adapter: { method: "adalora", rank: 2, alpha: 4, budget: { start: 0.1, end: 0.7, every: 2 } },
    optimizer: { kind: "adamw", learningRate: 1e-2 },
    training: { ...training, steps: 6 },
    output: newest
  }),
  "a reference that is an adapter": preferencePlan("llama", {
    adapter: { method: "lora", rank: 4, alpha: 8, from: "begins" },
    optimizer: { kind: "adamw", learningRate: 1e-3 },
    training,
    output: newest
  })
}

for (const [what, plan] of Object.entries(besides))
  describe(what, () => {
    beforeAll(async () => {
      w.write(`${what}.json`, plan)
      cpSync(w.path("1/preference/adapter"), w.path("begins"), { recursive: true })
      const { exits } = await trainOnRanks(w, 1, `${what}.json`, { directory: `1/${what}` })
      expect(endsOf(exits)).toMatchObject([{ steps: expect.any(Number) }])
    }, TIMEOUT)

    test("three ranks leave what one does", () => expectSame(w, what, 3), TIMEOUT)

    test(
      "and three do that go on after two",
      async () => {
        const directory = `2-3/${what}`
        const until = (event: ProgressEvent) => event.kind === "step" && event.step === 3
        await trainOnRanks(w, 2, `${what}.json`, { directory, until })
        const { exits } = await trainOnRanks(w, 3, "", { resume: directory })
        expect(exits.map(Exit.isSuccess)).toEqual([true, true, true])
        expect(alike(w, directory).results).toEqual(alike(w, `1/${what}`).results)
      },
      TIMEOUT
    )
  })
