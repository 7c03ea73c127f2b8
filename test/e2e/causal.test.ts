/** Plans for causal language models, from the plan to what a run leaves: trained, resumed, evaluated, and wrong ones refused. */
import { beforeAll, describe, expect, test } from "bun:test"
import { expectClose, relativeError } from "../setup.ts"
import { adamw, busyPlan, expectResumed } from "./causal-resumed.ts"
import { causalData, causalPlan, decoder, formats, writeRows } from "./causal-workspace.ts"
import { jsonLines, jsonObjects, onWasm, succeed, TIMEOUT, tensorsIn, workspace } from "./fixtures.ts"
import { metricsOf } from "./runs.ts"
import { complete } from "./train-here.ts"

const w = workspace()
const format = Object.keys(formats) as ReadonlyArray<keyof typeof formats>

beforeAll(() => {
  for (const model of ["llama", "llama-tied", "gpt2"] as const) decoder(w, model)
  writeRows(w)
})

interface Scores {
  readonly loss: number
  readonly accuracy: number
  readonly perplexity: number
  readonly tokens: number
  readonly rows: number
}
type Report = Readonly<Record<"before" | "validation" | "test", Scores>>

const reportOf = (folder: string) => w.json(`${folder}/run.json`) as never as Report

describe("training", () => {
  test.each(format)(
    "%s: what is said next is learned",
    async (name) => {
      const file = w.write(`${name}.json`, causalPlan("llama", name, { training: { steps: 60, batchSize: 6 } }))
      await complete(w, file, `runs/${name}`)
      const { before, test } = reportOf(`runs/${name}`)
      // random weights hold 128 tokens about equally likely; 40 of them come up
      expect(before.loss).toBeGreaterThan(4)
      expect(test.loss).toBeLessThan(2.5)
      expect(test.perplexity).toBeCloseTo(Math.exp(test.loss), 8)
      expect(test.accuracy).toBeGreaterThan(before.accuracy + 0.3)
      expect(test.rows).toBe(9)
    },
    TIMEOUT
  )
})

test(
  "interrupted after any step and resumed, it is the uninterrupted run: conversations, packed",
  () =>
    expectResumed(w, busyPlan("llama-tied", "chat", { data: causalData("chat", { packing: true, bucketPool: 2 }) }), 1),
  TIMEOUT
)

/** The step of a run of one step over four rows, and what it trained. */
const oneStep = async (name: string, data: Record<string, unknown>, training: Record<string, unknown>) => {
  const plan = causalPlan("llama", "chat", {
    data: { format: "chat", train: "four.jsonl", maxLength: 128, ...data },
    optimizer: { kind: "sgd", learningRate: 1 },
    training: { steps: 1, ...training }
  })
  await complete(w, w.write(`${name}.json`, plan), `runs/${name}`)
  const [step] = metricsOf(w, `runs/${name}`) as ReadonlyArray<Record<string, unknown>>
  const tensors = await tensorsIn(w, `runs/${name}/adapter/adapter_model.safetensors`)
  const B = [...tensors].flatMap(([key, { data }]) => (key.includes("lora_B") ? Array.from(data) : []))
  return { step: step as { readonly loss: number; readonly gradNorm: number }, B }
}

/** Sums in another order, over other lengths of padding. */
const OTHER_ORDER = 2e-5

describe("one step over the same rows is the same step:", () => {
  let whole: Awaited<ReturnType<typeof oneStep>>
  beforeAll(async () => {
    // 2, 4, 12 and 21 tokens that are learned: weighed by rows, batches would make another gradient
    const answers = [1, 3, 11, 20].map((length) => "very ".repeat(length).trim())
    const row = (content: string) => [
      { role: "user", content: "what colour is the sky ?" },
      { role: "assistant", content }
    ]
    w.write("four.jsonl", jsonLines(answers.map((answer) => ({ messages: row(answer) }))))
    whole = await oneStep("whole", {}, { batchSize: 4 })
  }, TIMEOUT)

  const ways = {
    "two batches of two, accumulated": [{ bucketPool: 1 }, { batchSize: 2, accumulate: 2 }],
    "four batches of one, accumulated": [{}, { batchSize: 1, accumulate: 4 }],
    "packed into rows of 128 tokens": [{ packing: true }, { batchSize: 4 }],
    "packed into three rows of 34 tokens, which are accumulated": [
      { packing: true, maxLength: 34, bucketPool: 4 },
      { batchSize: 1, accumulate: 3 }
    ]
  } as const
  test.each(Object.entries(ways))(
    "%s",
    async (name, [data, training]) => {
      const { step, B } = await oneStep(name.replaceAll(/\W+/g, "-"), data, training)
      expect(Math.abs(step.loss / whole.step.loss - 1)).toBeLessThan(OTHER_ORDER)
      expectClose(B, whole.B, OTHER_ORDER)
    },
    TIMEOUT
  )
})

describe("a finished run", () => {
  let out: string
  beforeAll(async () => {
    w.write("chat.json", causalPlan("llama", "chat"))
    const { stdout } = await succeed(w.cli(["train", "chat.json", "--out", "runs/finished", ...onWasm]))
    out = stdout
  }, TIMEOUT)

  test("says what it gained and what to do next", () => {
    expect(out).toMatch(/Gained on test: perplexity 207\.\d+ → \d+\.\d+, loss 5\.333 → \d\.\d{3}/)
    expect(out).toContain("Try it: bun run chat runs/finished")
    expect(w.read("runs/finished/report.html")).toContain("Next tokens right")
    const card = w.read("runs/finished/adapter/README.md")
    for (const part of ["pipeline_tag: text-generation", "to continue conversations", "AutoModelForCausalLM"]) {
      expect(card).toContain(part)
    }
  })

  test(
    "evaluates as its report says, and on other rows of the same form",
    async () => {
      const of = async (...more: ReadonlyArray<string>) => {
        const { stdout } = await succeed(w.cli(["evaluate", "runs/finished", "--json", ...more, ...onWasm]))
        return jsonObjects(stdout)
      }
      const { validation, test } = reportOf("runs/finished")
      expect(await of()).toEqual([validation as never, test as never])
      const [other, ...more] = await of("--data", "chat-test.jsonl")
      expect(more).toEqual([])
      expect(other).toEqual({ ...(test as object), data: "chat-test.jsonl" } as never)
      expect((await of("--data", "chat-train.jsonl"))[0]).toMatchObject({ split: "test", rows: 24 })
    },
    TIMEOUT
  )

  test(
    "reads the same tokens packed",
    async () => {
      // learned positions, which have to begin anew with each text
      for (const [name, packing] of [
        ["packed", true],
        ["plain", false]
      ] as const) {
        const data = causalData("chat", { packing, maxLength: 40 })
        const plan = causalPlan("gpt2", "chat", { data, training: { steps: 1, batchSize: 4 } })
        await complete(w, w.write(`${name}.json`, plan), `runs/${name}`)
      }
      const [packed, unpacked] = [reportOf("runs/packed").before, reportOf("runs/plain").before]
      expect(packed.tokens).toBe(unpacked.tokens)
      expect(packed.rows).toBe(9)
      expect(Math.abs(packed.loss / unpacked.loss - 1)).toBeLessThan(OTHER_ORDER)
      expect(packed.accuracy).toBe(unpacked.accuracy)
    },
    TIMEOUT
  )
})

describe("validate", () => {
  test(
    "tells sites, counts and tokens without reading a weight",
    async () => {
      w.write("validate.json", causalPlan("gpt2", "text"))
      const { stdout } = await succeed(w.cli(["validate", "validate.json"]))
      expect(stdout).toContain(
        "validate: lora with LoRA-Pro (full, X sylvester) on gpt2 (2 layers, 32 wide, vocabulary 129)"
      )
      expect(stdout).toMatch(/h\.1\.attn\.c_attn +96×32 +4 +8 +512\n/)
      expect(stdout).toMatch(/train +24 rows +\d+ tokens \(median\)/)
      const [plan] = jsonObjects((await succeed(w.cli(["validate", "validate.json", "--json"]))).stdout)
      expect(plan).toMatchObject({
        ok: true,
        model: { family: "gpt2", tied: true, unusedTensors: [] },
        // of each of two layers: (32 + 96) + (32 + 32) + (32 + 128) + (128 + 32), times the rank
        trainable: { factors: 2 * 512 * 4, dense: 0 },
        steps: 12
      })
      expect((plan!["sites"] as ReadonlyArray<unknown>).length).toBe(8)
    },
    TIMEOUT
  )
})

describe("an adapter", () => {
  const configOf = (run: string) => w.json(`${run}/adapter/adapter_config.json`)

  test("of GPT-2 says that weights are stored [in, out]; its modules are those of transformers' class", async () => {
    await complete(w, w.write("gpt2.json", causalPlan("gpt2", "text")), "runs/gpt2")
    const { target_modules: modules, ...config } = configOf("runs/gpt2")
    expect(config).toMatchObject({ task_type: "CAUSAL_LM", fan_in_fan_out: true, modules_to_save: null })
    expect((modules as ReadonlyArray<string>)[0]).toBe("transformer.h.0.attn.c_attn")
    const stored = await tensorsIn(w, "runs/gpt2/adapter/adapter_model.safetensors")
    const name = "base_model.model.transformer.h.0.attn.c_attn"
    expect(stored.get(`${name}.lora_A.weight`)!.shape).toEqual([4, 32])
    expect(stored.get(`${name}.lora_B.weight`)!.shape).toEqual([96, 4])
  })

  test(
    "with an output layer of its own holds it whole",
    async () => {
      const adapter = { method: "lora", rank: 4, alpha: 8, modulesToSave: ["lm_head"] }
      await complete(w, w.write("head.json", causalPlan("llama", "chat", { adapter })), "runs/head")
      expect(configOf("runs/head")).toMatchObject({ fan_in_fan_out: false, modules_to_save: ["lm_head"] })
      const stored = await tensorsIn(w, "runs/head/adapter/adapter_model.safetensors")
      const trained = stored.get("base_model.model.lm_head.weight")!
      const base = (await tensorsIn(w, "llama/model.safetensors")).get("lm_head.weight")!
      expect(trained.shape).toEqual([128, 32])
      expect(relativeError(trained.data, base.data)).toBeGreaterThan(1e-3)
      // and it is used: without it the loss would be another one
      const [, test] = jsonObjects((await succeed(w.cli(["evaluate", "runs/head", "--json", ...onWasm]))).stdout)
      expect(test).toEqual(reportOf("runs/head").test as never)
    },
    TIMEOUT
  )

  test(
    "over an output layer that is the embedding holds both where the embedding is trained: PEFT ties nothing again",
    async () => {
      const adapter = { method: "lora", rank: 2, alpha: 4, targets: ["c_attn"], modulesToSave: ["wte", "h.1.mlp.c_fc"] }
      await complete(w, w.write("tied.json", causalPlan("gpt2", "chat", { adapter })), "runs/tied")
      expect(configOf("runs/tied")["modules_to_save"]).toEqual([
        "transformer.wte",
        "transformer.h.1.mlp.c_fc",
        "lm_head"
      ])
      const stored = await tensorsIn(w, "runs/tied/adapter/adapter_model.safetensors")
      const at = (name: string) => stored.get(`base_model.model.${name}.weight`)!
      expect(at("lm_head")).toEqual(at("transformer.wte"))
      // [in, out], as its class has it
      expect(at("transformer.h.1.mlp.c_fc").shape).toEqual([32, 128])
      const [, test] = jsonObjects((await succeed(w.cli(["evaluate", "runs/tied", "--json", ...onWasm]))).stdout)
      expect(test).toEqual(reportOf("runs/tied").test as never)
    },
    TIMEOUT
  )

  test("of modules alone is called that", async () => {
    const adapter = { method: "none", modulesToSave: ["lm_head"] }
    await complete(w, w.write("alone.json", causalPlan("llama", "text", { adapter, optimizer: adamw })), "runs/alone")
    expect(w.read("runs/alone/adapter/README.md")).toContain(
      "Some modules over `llama`, trained by tfjs-lora-pro to continue texts."
    )
    expect([...(await tensorsIn(w, "runs/alone/adapter/trained.safetensors")).keys()]).toEqual(["lm_head.weight"])
  })
})
