/**
 * Folders that PEFT wrote in Python (test/golden/peft), read without a plan: their logits and, continued here for ten steps of AdamW,
 * PyTorch's losses; and what is said of folders that cannot be used.
 */
import { describe, expect, test } from "bun:test"
import { cpSync, existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import type * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Adapted } from "../../adapters/index.ts"
import { Device } from "../../src/device/index.ts"
import type { Sources } from "../../src/hub/index.ts"
import type { CausalModel, CausalOutput } from "../../src/models/causal/index.ts"
import { fromConfig } from "../../src/optimizers/index.ts"
import { platform } from "../../src/platform.ts"
import { readTensors, writeSafetensors } from "../../src/safetensors/index.ts"
import { loadAdapter } from "../../src/trained/index.ts"
import { crossEntropy, openSession, takeStep, tokenCrossEntropy } from "../../src/training/index.ts"
import { expectClose } from "../setup.ts"
import { logitsAt, rowsOf } from "../src/models/causal/causal-golden.ts"
import type { Tensors } from "../src/models/golden.ts"
import { decoder, type TinyDecoder } from "./causal-workspace.ts"
import { jsonLines, repository, succeed, type TinyModel, workspace } from "./fixtures.ts"

const goldens = join(repository, "test", "golden")
const { cases, rate } = JSON.parse(readFileSync(join(goldens, "peft", "cases.json"), "utf8")) as {
  readonly rate: number
  readonly cases: Readonly<Record<string, { readonly model: string; readonly losses: ReadonlyArray<number> | null }>>
}

/** Relative to the largest: float32 through two layers in another order of sums. */
const LOGITS = 1e-5
/** Relative, of a loss after up to nine steps, whose differences Adam divides by small gradients' roots. */
const LOSSES = 1e-5

const w = workspace()

const decoders: ReadonlyArray<string> = ["llama", "gpt2"]
const isDecoder = (name: string): name is TinyDecoder => decoders.includes(name)
const base = (name: string) => w.path(isDecoder(name) ? decoder(w, name) : w.model(name as TinyModel))

const read = (path: string) => Effect.runPromise(readTensors(join(goldens, path)).pipe(Effect.provide(platform)))

const onWasm = <A, E>(effect: Effect.Effect<A, E, Device | Scope.Scope | Sources>) =>
  Effect.runPromise(
    effect.pipe(Effect.scoped, Effect.provide(Device.layer("wasm", { threads: 1 })), Effect.provide(platform))
  )

/** Rows of a golden's inputs. */
const encoderRows = (io: Tensors, rows: ReadonlyArray<number>) => {
  const { shape } = io.get("input_ids")!
  const [, length] = shape as readonly [number, number]
  const some = (name: string, width: number) =>
    rows.flatMap((row) => [...(io.get(name)?.data.slice(row * width, (row + 1) * width) ?? new Float32Array(width))])
  const attentionMask = Float32Array.from(some("attention_mask", length))
  return {
    size: rows.length,
    length,
    inputIds: Int32Array.from(some("input_ids", length)),
    tokenTypeIds: Int32Array.from(some("token_type_ids", length)),
    attentionMask,
    labels: Int32Array.from(some("labels", 1)),
    tokens: attentionMask.reduce((sum, value) => sum + value, 0)
  }
}

const someOf = (io: Tensors, rows: ReadonlyArray<number>): Tensors => {
  const [, length] = io.get("input_ids")!.shape as readonly [number, number]
  return new Map(
    ["input_ids", "attention_mask", "labels"].map((name) => {
      const { data } = io.get(name)!
      const own = rows.flatMap((row) => [...data.slice(row * length, (row + 1) * length)])
      return [name, { shape: [rows.length, length], data: Float32Array.from(own) }]
    })
  )
}

const all = [
  ...Object.entries(cases).map(([name, own]) => ({
    ...own,
    name,
    place: `peft/${name}`,
    inputs: `models/${own.model}/io.safetensors`,
    outputs: `peft/${name}/io.safetensors`
  })),
  {
    name: "bert, a label per token",
    model: "bert",
    losses: null,
    place: "training/token-heads/adapter",
    inputs: "training/token-heads/bert.safetensors",
    outputs: "training/token-heads/adapter.safetensors"
  },
  {
    name: "llama-vera",
    model: "llama",
    losses: null,
    place: "models/llama/adapter-vera",
    inputs: "models/llama/io.safetensors",
    outputs: "models/llama/adapter_io-vera.safetensors"
  }
]
for (const { name, model, losses, place, inputs, outputs } of all) {
  test(`${name}: PEFT's logits`, async () => {
    const io = await read(inputs)
    const expected = (await read(outputs)).get("logits")!
    await onWasm(
      Effect.gen(function* () {
        const { adapted } = yield* loadAdapter(join(goldens, place), { base: base(model) })
        if (isDecoder(model)) {
          const rows = rowsOf(io)
          const causal = adapted as Adapted<CausalModel>
          const { input } = causal.model.toDevice(rows)
          const output = causal.forward(input, causal.trainable) as CausalOutput
          const { data } = expected
          const width = data.length / rows.segments.length
          const right = Float32Array.from(data).filter((_, i) => rows.segments[Math.floor(i / width)]! >= 0)
          expectClose(yield* Effect.promise(() => logitsAt(output, rows)), right, LOGITS)
        } else {
          const [size] = io.get("input_ids")!.shape as readonly [number]
          const { input } = adapted.model.toDevice(encoderRows(io, [...Array(size).keys()]))
          const output = adapted.forward(input, adapted.trainable) as tf.Tensor
          // of a head over tokens, what padding holds is nobody's
          const [, , width] = expected.shape
          const mask = io.get("attention_mask")?.data
          const real = (values: ArrayLike<number>) =>
            Float32Array.from(values).filter((_, i) => width === undefined || mask![Math.floor(i / width)] === 1)
          expectClose(real(yield* Effect.promise(() => output.data())), real(expected.data), LOGITS)
        }
      })
    )
  })

  if (losses === null) continue
  test(`${name}: ten steps from there follow PyTorch's losses`, async () => {
    const io = await read(`models/${model}/io.safetensors`)
    const [size] = io.get("input_ids")!.shape as readonly [number]
    await onWasm(
      Effect.gen(function* () {
        const { adapted } = yield* loadAdapter(join(goldens, "peft", name), { base: base(model) })
        const optimizer = yield* fromConfig(
          {
            kind: "adamw",
            learningRate: rate,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weightDecay: 0,
            clipNorm: null,
            schedule: { kind: "constant" }
          },
          losses.length
        )
        const session = yield* openSession(adapted as never, {
          optimizer,
          loss: (isDecoder(model) ? tokenCrossEntropy : crossEntropy) as never
        })
        const found: Array<number> = []
        for (let step = 0; step < losses.length; step++) {
          const rows = [step % size, (step + 1) % size]
          const batch = isDecoder(model) ? rowsOf(someOf(io, rows)) : encoderRows(io, rows)
          found.push((yield* takeStep(session, [batch as never])).loss)
        }
        for (const [i, loss] of found.entries()) expect(Math.abs(loss - losses[i]!) / losses[i]!).toBeLessThan(LOSSES)
      })
    )
  })
}

const folder = (name: string) => join(goldens, "peft", name)
const rows = (name: string, all: ReadonlyArray<object>) => w.write(name, jsonLines(all))
const command = (args: ReadonlyArray<string>) => w.cli([...args, "--device", "wasm", "--threads", "1"])

test("evaluate takes rows whose labels are the numbers of classes without names, and columns by flags", async () => {
  rows("numbers.jsonl", [
    { said: "so good", stars: 2 },
    { said: "the plot is awful", stars: 0 }
  ])
  const columns = ["--data", "numbers.jsonl", "--text", "said", "--label", "stars", "--json"]
  const { stdout, stderr } = await succeed(
    command(["evaluate", folder("bert-regex"), "--base", base("bert"), ...columns])
  )
  expect(JSON.parse(stdout)).toMatchObject({ split: "test", rows: 2, step: null })
  expect(stderr).not.toContain("before training")
})

test("evaluate takes a language model's adapter on conversations, completions or texts", async () => {
  rows("asked.jsonl", [{ prompt: "what colour is snow ?", completion: " white" }])
  const llama = ["--base", base("llama"), "--data", "asked.jsonl", "--json"]
  const { stdout } = await succeed(command(["evaluate", folder("llama-dora"), ...llama]))
  expect(JSON.parse(stdout)).toMatchObject({ split: "test", rows: 1 })
})

test.each([
  ["llama-head", "llama"],
  ["bert-dense", "bert"]
])("%s is merged over its base, held against the adapter on rows of a sample", async (name, model) => {
  const { stdout } = await succeed(command(["merge", folder(name), "--base", base(model), "--out", `${name}-merged`]))
  expect(stdout).toContain("On 8 sample rows")
  expect(stdout).toMatch(/8 of 8 (labels|next tokens) are the same/)
  expect(w.read(`${name}-merged/README.md`)).not.toContain("steps")
})

test("generate continues a prompt with it", async () => {
  const asked = ["generate", folder("llama-dora"), "what colour", "--max-tokens", "3", "--json"]
  const plain = await succeed(command(["generate", base("llama"), "what colour", "--max-tokens", "3", "--json"]))
  const adapted = await succeed(command([...asked, "--base", base("llama")]))
  expect(JSON.parse(adapted.stdout).tokens).toBeGreaterThan(0)
  expect(JSON.parse(adapted.stdout).text).not.toBe(JSON.parse(plain.stdout).text)
})

describe("a folder that is not all of what PEFT saved", () => {
  const FILE = "adapter_model.safetensors"
  /** A copy of the golden folder, whose modules_to_save are the pooler and the classifier, without some tensors. */
  const lacking = async (name: string, ...names: ReadonlyArray<string>) => {
    cpSync(folder("bert-regex"), w.path(name), { recursive: true })
    const tensors = Object.fromEntries(await read("peft/bert-regex/adapter_model.safetensors"))
    for (const lacks of names) {
      expect(tensors).toHaveProperty([lacks])
      delete tensors[lacks]
    }
    const file = join(w.path(name), FILE)
    await Effect.runPromise(writeSafetensors(file, tensors).pipe(Effect.provide(platform)))
    return name
  }
  const [weight, bias] = ["base_model.model.classifier.weight", "base_model.model.classifier.bias"] as const
  const asks = (name: string): ReadonlyArray<ReadonlyArray<string>> => [
    ["predict", name, "so good", "--base", base("bert")],
    ["merge", name, "--base", base("bert"), "--out", `${name}-merged`]
  ]
  const refused = async (name: string, says: string) => {
    for (const args of asks(name)) {
      const { code, stdout, stderr } = await command(args)
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
      expect(stderr).toContain(says)
      expect(existsSync(w.path(`${name}-merged`))).toBe(false)
    }
  }

  test("whole, it answers", async () => {
    await succeed(command(asks(await lacking("complete"))[0]!))
  })

  test("without a part of a module that was trained", async () => {
    await refused(
      await lacking("no-weight", weight),
      `no-weight: ${FILE}: ${weight} is missing, although ${bias} is present: the file is damaged`
    )
  })

  test("without a module that modules_to_save lists", async () => {
    await refused(
      await lacking("no-classifier", weight, bias),
      `no-classifier: ${FILE}: ${weight} is missing, although modules_to_save lists its module: the file is damaged`
    )
  })

  test("without adapter_config.json", async () => {
    await lacking("no-config")
    rmSync(w.path("no-config/adapter_config.json"))
    for (const args of [
      ["predict", "no-config", "x"],
      ["evaluate", "no-config", "--base", "bert", "--data", "numbers.jsonl"],
      ["generate", "no-config", "x"],
      ...asks("no-config")
    ]) {
      const { code, stderr } = await command(args)
      expect(code).toBe(1)
      expect(stderr).toContain(
        `no-config: adapter_config.json is missing, without which ${FILE} cannot be read: it contains the rank, α and layer names; copy it from where the adapter was saved`
      )
    }
  })
})

test.each([
  [
    ["predict", folder("distilbert-exclude"), "x"],
    'names "distilbert" as its base model, which was not found; pass it with --base'
  ],
  [
    ["predict", folder("bert-dense"), "x", "--base", "roberta"],
    `its layers are called "bert.…", but the model's family is roberta`
  ],
  [["predict", folder("llama-dora"), "x", "--base", "llama"], "use generate or chat"],
  [
    ["evaluate", folder("bert-regex"), "--base", "bert"],
    "is an adapter without a run, so it has no rows: pass rows to evaluate it on with --data FILE"
  ],
  [
    ["generate", folder("llama-dora"), "x", "--base", "gpt2"],
    'found "model.layers.0.mlp.down_proj", which matches no linear layer'
  ],
  [["merge", "hf:owner/name", "--base", "bert"], "name the folder for the merged model with --out"]
] as const)("%j is told what is wrong", async (args, message) => {
  for (const name of ["bert", "roberta", "llama", "gpt2"]) base(name)
  rmSync(w.path("distilbert"), { recursive: true, force: true })
  const { code, stderr } = await w.cli([...args, "--device", "wasm", "--threads", "1"])
  expect(code).not.toBe(0)
  expect(stderr).toContain(message)
})
