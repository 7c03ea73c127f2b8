/**
 * Runs over texts with targets that take longer: resumed, written with, merged, and judged by transformers and PEFT in Python; an adapter of
 * PEFT without a plan.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { type Adapted, unadapted } from "../../adapters/index.ts"
import { padSeq2Seq } from "../../src/data/seq2seq/index.ts"
import { writeTargets } from "../../src/generation/index.ts"
import { logitsOf } from "../../src/models/causal/index.ts"
import { openSeq2SeqModel, type Seq2SeqModel } from "../../src/models/seq2seq/index.ts"
import { loadTrained } from "../../src/trained/index.ts"
import { expectClose } from "../setup.ts"
import { onOneThread } from "./causal-logits.ts"
import { hasPeft, inPython } from "./causal-python.ts"
import { training as busy, expectResumed } from "./causal-resumed.ts"
import { jsonLines, jsonObjects, onWasm, repository, succeed, TIMEOUT, tensorsIn, workspace } from "./fixtures.ts"
import { metricsOf } from "./runs.ts"
import { labelledRows, seq2seqData, seq2seqPlan, t5, writeSourceTargets } from "./seq2seq-workspace.ts"
import { complete } from "./train-here.ts"

const w = workspace()
const withPeft = await hasPeft(w)

beforeAll(() => {
  t5(w)
  t5(w, "t5-v1_1")
  writeSourceTargets(w)
})

test(
  "interrupted after any step and resumed, it is the uninterrupted run",
  () =>
    expectResumed(
      w,
      seq2seqPlan("t5", {
        data: seq2seqData({ bucketPool: 2 }),
        training: busy,
        output: { checkpointEvery: 2, keep: 2 }
      }),
      1
    ),
  TIMEOUT
)

for (const weights of ["f16", "int8", "q4"])
  test(
    `over a base held as ${weights}, blocks recomputed, it merges into what it computed with`,
    async () => {
      const training = { steps: 4, batchSize: 8, recompute: "blocks" }
      await complete(
        w,
        w.write(`${weights}.json`, seq2seqPlan("t5", { model: { source: "t5", weights }, training })),
        weights
      )
      const { stdout } = await succeed(w.cli(["merge", weights, "--json", ...onWasm]))
      const [{ tensors, check }] = jsonObjects(stdout) as never as readonly [Record<"tensors" | "check", object>]
      // every linear layer is adapted: none is rounded and nothing else
      expect(tensors).toMatchObject({ merged: 32, rounded: 0 })
      expect(check).toMatchObject({ sameLabel: 6 })
    },
    TIMEOUT
  )

describe("a finished run", () => {
  beforeAll(
    () =>
      complete(w, w.write("plan.json", seq2seqPlan("t5", { training: { steps: 12, batchSize: 8 } })), "runs/finished"),
    TIMEOUT
  )

  test(
    "the base model alone, and without the prefix",
    async () => {
      const of = async (...more: ReadonlyArray<string>) =>
        (await succeed(w.cli(["generate", "runs/finished", "the plot is bad", ...more, ...onWasm]))).stdout
      const base = await of("--base-only", "--max-tokens", "4")
      // random weights say anything but a label and then the end
      expect(base.trim().split(" ").length).toBeGreaterThan(1)
      expect(await of("--base-only", "--max-tokens", "4", "--plain")).not.toBe(base)
    },
    TIMEOUT
  )

  test(
    "merges into a model that says the same",
    async () => {
      const { stdout } = await succeed(w.cli(["merge", "runs/finished", "--json", ...onWasm]))
      const [{ tensors, check }] = jsonObjects(stdout) as never as readonly [Record<"tensors" | "check", object>]
      expect(tensors).toMatchObject({ merged: 32, rounded: 0 })
      expect(check).toMatchObject({ rows: 6, split: "validation", sameLabel: 6 })
      expect(w.read("runs/finished/merged/README.md")).toContain("T5ForConditionalGeneration")
    },
    TIMEOUT
  )
})

/** Sums in another order, over other lengths of padding. */
const OTHER_ORDER = 2e-5

test(
  "one step over the same rows is the same step, however they are batched: tokens weigh, not rows",
  async () => {
    const target = (length: number) => Array.from({ length }, () => "very").join(" ")
    w.write("four.jsonl", jsonLines([1, 3, 5, 7].map((n) => ({ source: "the plot is bad", target: target(n) }))))
    const step = async (name: string, training: Record<string, unknown>) => {
      const plan = seq2seqPlan("t5", {
        data: { format: "seq2seq", train: "four.jsonl", bucketPool: 1 },
        optimizer: { kind: "sgd", learningRate: 1 },
        training: { steps: 1, ...training }
      })
      await complete(w, w.write(`${name}.json`, plan), `runs/${name}`)
      const [first] = metricsOf(w, `runs/${name}`) as ReadonlyArray<Record<string, unknown>> as ReadonlyArray<{
        readonly loss: number
      }>
      const tensors = await tensorsIn(w, `runs/${name}/adapter/adapter_model.safetensors`)
      const B = [...tensors].flatMap(([key, { data }]) => (key.includes("lora_B") ? Array.from(data) : []))
      return { loss: first!.loss, B }
    }
    const whole = await step("whole", { batchSize: 4 })
    const parts = await step("parts", { batchSize: 1, accumulate: 4 })
    expect(Math.abs(parts.loss / whole.loss - 1)).toBeLessThan(OTHER_ORDER)
    expectClose(parts.B, whole.B, OTHER_ORDER)
  },
  TIMEOUT
)

test(
  "methods are compared by exact match, beside the baseline that always writes the same",
  async () => {
    w.write("compared.json", seq2seqPlan("t5", { training: { steps: 4, batchSize: 8 } }))
    const { stdout } = await succeed(
      w.cli([
        ...["compare", "compared.json", "--methods", "lora,lora-plus", "--learning-rates", "0.01"],
        ...["--seeds", "1", "--fresh-seeds", "2", "--out", "study", ...onWasm]
      ])
    )
    expect(stdout).toContain("Judged by exact match on test")
    expect(stdout).toContain("Baseline (always “bad”, the most frequent target): 33.3 %")
  },
  TIMEOUT
)

describe("an adapter that PEFT made, without a plan", () => {
  beforeAll(() =>
    cpSync(join(repository, "test", "golden", "models", "t5", "adapter"), w.path("peft"), { recursive: true })
  )

  test(
    "is evaluated on rows of other columns, writes as its merged model, and a run begins with it",
    async () => {
      w.write(
        "others.jsonl",
        jsonLines(labelledRows(9, 54).map(({ source, target }) => ({ input: source, output: target })))
      )
      const { stdout } = await succeed(
        w.cli(["evaluate", "peft", "--base", "t5", "--data", "others.jsonl", "--json", ...onWasm])
      )
      const [evaluated] = jsonObjects(stdout) as never as readonly [{ readonly loss: number; readonly rows: number }]
      expect(evaluated.rows).toBe(9)
      await succeed(w.cli(["merge", "peft", "--base", "t5", "--out", "merged", ...onWasm]))
      const writes = async (...args: ReadonlyArray<string>) =>
        (await succeed(w.cli(["generate", ...args, "--max-tokens", "4", "--beams", "2", "--json", ...onWasm]))).stdout
      const text = "the plot is bad"
      expect(await writes("merged", text)).toBe(await writes("peft", text, "--base", "t5"))
      expect(await writes("merged", text)).not.toBe(await writes("t5", text))
      const { prefix: _, ...data } = seq2seqData()
      const plan = seq2seqPlan("t5", {
        data,
        adapter: { method: "lora", from: "peft" },
        training: { steps: 1, batchSize: 8 }
      })
      await complete(w, w.write("from.json", plan), "runs/from")
      const { before } = w.json("runs/from/run.json") as { readonly before: { readonly loss: number } }
      // the same numbers, added up in the same order
      expect(before.loss).toBe(evaluated.loss)
    },
    TIMEOUT
  )
})

/** The test rows as ids, each ended. */
const idsOf = ({ model: { tokenizer, eosId } }: Adapted<Seq2SeqModel>, prefix = "tone : ") =>
  labelledRows(9, 54).map(({ source, target }) => ({
    source: [...tokenizer.encode(prefix + source), eosId],
    target: [...tokenizer.encode(target), eosId]
  }))

/** Logits of the test rows' targets, one after another, and what is written for each. */
const said = (adapted: Adapted<Seq2SeqModel>) =>
  Effect.gen(function* () {
    const rows = idsOf(adapted)
    const logits = yield* Effect.promise(async () => {
      const { model } = adapted
      const lengths = { startId: model.startId, padId: model.padId, maxLength: 64, maxTargetLength: 64, padMultiple: 1 }
      const tensor = tf.tidy(() => {
        const { input } = model.toDevice(padSeq2Seq(rows, lengths))
        const output = adapted.forward(input, adapted.trainable)
        return logitsOf(output.hidden, output)
      })
      return [...(await tensor.data())]
    })
    const written = yield* writeTargets(
      adapted,
      rows.map(({ source }) => source),
      { maxNewTokens: 8 }
    )
    return { logits, rows, written: written.map(({ ids }) => ids) }
  })

/** Relative to the largest: float32 through four blocks in another order of sums. */
const LOGITS = 2e-5

describe.skipIf(!withPeft)("PEFT and transformers in Python say the same", () => {
  const adapters: Readonly<Record<string, object>> = {
    t5: { method: "lora", rank: 8, alpha: 16 },
    "t5-v1_1": { method: "lora", rank: 4, alpha: 8, targets: ["q", "v", "wi_0"], modulesToSave: ["lm_head"] }
  }
  test.each(Object.entries(adapters))(
    "%s: of the adapter, of the merged folder; its loss is that of an evaluation",
    async (name, adapter) => {
      const folder = `runs/${name}-judged`
      const plan = seq2seqPlan(name, { adapter, training: { steps: 8, batchSize: 8 }, output: { keep: "last" } })
      await complete(w, w.write(`${name}.json`, plan), folder)
      await succeed(w.cli(["merge", folder, ...onWasm]))
      const ours = await onOneThread(
        Effect.flatMap(loadTrained(w.path(folder)), ({ adapted }) => said(adapted as never as Adapted<Seq2SeqModel>))
      )
      const merged = await onOneThread(
        Effect.gen(function* () {
          const model = yield* openSeq2SeqModel(w.path(`${folder}/merged`), { seed: 0 })
          return yield* said(yield* unadapted(model))
        })
      )
      const [ids, targets] = [ours.rows.map(({ source }) => source), ours.rows.map(({ target }) => target)]
      const answers = await inPython(w, [
        { base: name, adapter: `${folder}/adapter`, ids, targets },
        { base: `${folder}/merged`, ids, targets }
      ])
      expect(answers.map((one) => one.class)).toEqual(["T5ForConditionalGeneration", "T5ForConditionalGeneration"])
      const { test } = w.json(`${folder}/run.json`) as { readonly test: { readonly loss: number } }
      for (const [i, own] of [ours, merged].entries()) {
        expectClose(own.logits, answers[i]!.logits.flat(2), LOGITS)
        expect(own.written).toEqual(answers[i]!.written as never)
        expect(Math.abs(answers[i]!.loss! / test.loss - 1)).toBeLessThan(LOGITS)
      }
      expect(ours.logits).not.toEqual(merged.logits)
    },
    TIMEOUT
  )
})
