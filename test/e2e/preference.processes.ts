/** Runs over pairs of answers that take longer: resumed, written with and merged; ORPO and texts; inits that are taken off the weights. */
import { beforeAll, describe, expect, test } from "bun:test"
import { limits, setLimits } from "../../src/boundary/limits.ts"
import { expectClose } from "../setup.ts"
import { training as busy, expectResumed } from "./causal-resumed.ts"
import { decoder, preferencePlan, preferences, writePreferences } from "./causal-workspace.ts"
import { jsonLines, onWasm, succeed, TIMEOUT, tensorsIn, workspace } from "./fixtures.ts"
import { metricsOf } from "./runs.ts"
import { complete } from "./train-here.ts"

const w = workspace()

beforeAll(() => {
  decoder(w, "llama")
  writePreferences(w)
})

interface Scores {
  readonly loss: number
  readonly accuracy: number
}
type Report = Readonly<Record<"before" | "test", Scores>>
const reportOf = (folder: string) => w.json(`${folder}/run.json`) as never as Report

test(
  "a run answers, and is merged into a model that says the same",
  async () => {
    await complete(w, w.write("plan.json", preferencePlan("llama")), "runs/finished")
    const { stdout: said } = await succeed(
      w.cli(["generate", "runs/finished", "what colour is the sky ?", "--max-tokens", "4", ...onWasm])
    )
    expect(said.trim()).not.toBe("")
    const { stdout } = await succeed(w.cli(["merge", "runs/finished", ...onWasm]))
    expect(stdout).toContain("runs/finished/merged")
    expect(w.read("runs/finished/merged/README.md")).toContain("LlamaForCausalLM")
  },
  TIMEOUT
)

test(
  "interrupted after any step and resumed, it is the uninterrupted run",
  () =>
    expectResumed(
      w,
      preferencePlan("llama", {
        training: busy,
        optimizer: { kind: "adamw", learningRate: 1e-2 },
        output: { checkpointEvery: 2, keepCheckpoints: 2 }
      }),
      1
    ),
  TIMEOUT
)

test(
  "ORPO learns the better answers too, and texts as well as conversations",
  async () => {
    const texts = preferences(24).map(({ chosen, rejected }) => ({
      prompt: chosen.at(-2)!.content,
      chosen: ` ${chosen.at(-1)!.content}`,
      rejected: ` ${rejected.at(-1)!.content}`
    }))
    w.write("texts.jsonl", jsonLines(texts))
    const plan = preferencePlan("llama", {
      data: { format: "preference", train: "texts.jsonl", test: "texts.jsonl", maxLength: 24 },
      loss: { kind: "orpo", beta: 0.5 },
      training: { steps: 30, batchSize: 6 },
      optimizer: { kind: "lora-pro", learningRate: 5e-3 }
    })
    await complete(w, w.write("orpo.json", plan), "runs/orpo")
    const { before, test } = reportOf("runs/orpo")
    expect(test.loss).toBeLessThan(before.loss - 1)
    expect(w.json("runs/orpo/plan.json") as object).toMatchObject({ data: { form: "text" } })
  },
  TIMEOUT
)

describe("the first loss is ln 2, also where what the adapter starts with is taken off the weights:", () => {
  // products of float32 that are taken off and put on again: two of their digits, of sums of twenty log-probabilities
  const tolerance = { eva: 0, pissa: 1e-6, "lora-ga": 1e-6 } as const
  test.each(Object.entries(tolerance))(
    "%s",
    async (init, bound) => {
      const adapter = { method: "lora", rank: 4, alpha: 8, init: { kind: init } }
      const plan = preferencePlan("llama", { adapter, training: { steps: 1, batchSize: 4 } })
      await complete(w, w.write(`${init}.json`, plan), `runs/${init}`)
      const [step] = metricsOf(w, `runs/${init}`).filter(({ kind }) => kind === "step") as never as [Scores]
      expect(Math.abs(step.loss - Math.fround(Math.LN2))).toBeLessThanOrEqual(bound)
      expect(reportOf(`runs/${init}`).before.accuracy).toBe(0.5)
    },
    TIMEOUT
  )
})

describe("one step over the same pairs is the same step:", () => {
  const step = async (name: string, training: Record<string, unknown>, adapter: Record<string, unknown> = {}) => {
    const plan = preferencePlan("llama", {
      data: { format: "preference", train: "four.jsonl", maxLength: 32 },
      adapter: { method: "lora", rank: 4, alpha: 8, ...adapter },
      optimizer: { kind: "sgd", learningRate: 1 },
      training: { steps: 2, ...training }
    })
    await complete(w, w.write(`${name}.json`, plan), `runs/${name}`)
    return tensorsIn(w, `runs/${name}/adapter/adapter_model.safetensors`)
  }
  const factorsOf = (tensors: Awaited<ReturnType<typeof step>>) => [...tensors].flatMap(([, { data }]) => [...data])

  test(
    "in two batches that are accumulated, with blocks that are computed again",
    async () => {
      w.write("four.jsonl", jsonLines(preferences(4)))
      const whole = factorsOf(await step("whole", { batchSize: 4 }))
      const parts = factorsOf(await step("parts", { batchSize: 2, accumulate: 2 }))
      // sums in another order, over other lengths of padding
      expectClose(parts, whole, 2e-5)
      expect(factorsOf(await step("again", { batchSize: 4, recompute: "blocks" }))).toEqual(whole)
    },
    TIMEOUT
  )

  test(
    "with what a frozen block makes of every sequence kept",
    async () => {
      const top = { targets: ["layers.1.**"] }
      const kept = factorsOf(await step("kept", { batchSize: 2, steps: 4 }, top))
      setLimits({ "prefix-bytes": 1 })
      const plain = factorsOf(await step("plain", { batchSize: 2, steps: 4 }, top))
      setLimits({ "prefix-bytes": limits["prefix-bytes"].default })
      expect(kept).toEqual(plain)
    },
    TIMEOUT
  )
})
