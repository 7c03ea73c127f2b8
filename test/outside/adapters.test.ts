/**
 * Adapters from outside over a tf.LayersModel: what the file says of itself is believed as far as it fits the model, and its tensors are
 * those that the model needs.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import * as tf from "@tensorflow/tfjs"
import { adapt } from "../../src/layers-model/index.ts"
import { onWasm, succeed, TIMEOUT, tinyPlan, workspace } from "../e2e/fixtures.ts"
import { filesOf, smallModel } from "./small-layers-model.ts"

const w = workspace()
const FILE = "adapter_model.safetensors"
const KEY = "tfjs-lora-pro"

// biome-ignore lint/suspicious/noExplicitAny: what is written into it is wrong on purpose
type Json = any

/** The sound one: its header, its record and its tensors. */
let header: Json
let record: Json
let data: Uint8Array
let answer: string

const predict = (adapter: string, base = "model/model.json") =>
  w.cli(["predict", adapter, "[1,2,3,4]", "--base", base, "--device", "cpu"])

beforeAll(async () => {
  await tf.setBackend("cpu")
  const model = smallModel()
  const { json, bytes } = await filesOf(model)
  w.write("model/model.json", json)
  writeFileSync(w.path("model/weights.bin"), bytes)
  const adapted = await adapt(model, { rank: 2, alpha: 4, targets: ["hidden"] })
  await adapted.save(w.path("adapter"))
  const file = w.bytes(`adapter/${FILE}`)
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true))
  header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)))
  record = JSON.parse(header.__metadata__[KEY])
  data = Uint8Array.from(file.subarray(8 + length))
  answer = (await succeed(predict("adapter"))).stdout
}, TIMEOUT)

/** Writes the adapter with something changed. */
const written = (change: (record: Json, header: Json, data: Uint8Array) => unknown): string => {
  const [own, around] = [structuredClone(record), structuredClone(header)]
  const numbers = data.slice()
  change(own, around, numbers)
  if (around.__metadata__?.[KEY] !== undefined) {
    around.__metadata__[KEY] = typeof own.text === "string" ? own.text : JSON.stringify(own)
  }
  const text = new TextEncoder().encode(JSON.stringify(around))
  const bytes = new Uint8Array(8 + text.length + numbers.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true)
  bytes.set(text, 8)
  bytes.set(numbers, 8 + text.length)
  mkdirSync(w.path("lying"), { recursive: true })
  writeFileSync(w.path(`lying/${FILE}`), bytes)
  return "lying"
}

const refuses = async (adapter: string, says: string | RegExp, base?: string) => {
  const began = performance.now()
  const { code, stdout, stderr } = await predict(adapter, base)
  expect(stderr).toMatch(says)
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
  expect(stderr.length).toBeLessThan(8_000)
  expect(stderr).not.toMatch(/^\s+at /m)
  expect(performance.now() - began).toBeLessThan(10_000)
}

type Case = readonly [name: string, change: Parameters<typeof written>[0], says: string | RegExp]

const refusals = (cases: ReadonlyArray<Case>) =>
  test.each(cases)("%s", (_, change, says) => refuses(written(change), says), TIMEOUT)

const many = (count: number) => Array.from({ length: count }, (_, i) => `layer${i}`)

test("unchanged it is taken, and adapter_config.json beside it is PEFT's, whatever it says", async () => {
  written(() => undefined)
  const config = {
    r: 1e9,
    target_modules: many(100_000),
    base_model_name_or_path: "../../\u001b[31m",
    modules_to_save: ["/etc"]
  }
  w.write(`lying/adapter_config.json`, JSON.stringify(config))
  expect((await succeed(predict("lying"))).stdout).toBe(answer)
  expect((await succeed(predict(`lying/${FILE}`))).stdout).toBe(answer)
})

describe("its record", () => {
  refusals([
    ["a rank of a billion", (own) => Object.assign(own.adapter, { rank: 1e9 }), "adapter.rank: found 1000000000"],
    ["a rank larger than the layer", (own) => Object.assign(own.adapter, { rank: 5 }), "is larger than"],
    ["a negative rank", (own) => Object.assign(own.adapter, { rank: -1 }), "adapter.rank: found -1"],
    ["half a rank", (own) => Object.assign(own.adapter, { rank: 0.5 }), "adapter.rank: found 0.5"],
    ["a rank in words", (own) => Object.assign(own.adapter, { rank: "8" }), 'adapter.rank: found "8"'],
    [
      "an infinite alpha",
      (own) => Object.assign(own, { text: JSON.stringify(own).replace('"alpha":4', '"alpha":1e999') }),
      "adapter.alpha"
    ],
    [
      "the method __proto__",
      (own) => Object.assign(own.adapter, { method: "__proto__" }),
      'adapter.method: found "__proto__"'
    ],
    [
      "targets that are nowhere",
      (own) => Object.assign(own.adapter, { targets: ["../../etc"] }),
      "is not an adapter of small: targets.0"
    ],
    [
      "1,000 targets that are nowhere",
      (own) => Object.assign(own.adapter, { targets: many(1_000) }),
      "is not an adapter of small: targets.0"
    ],
    [
      "20,000 targets",
      (own) => Object.assign(own.adapter, { targets: many(20_000) }),
      "found 20,000 patterns in all, more than 1,000 entries (limit adapter-patterns"
    ],
    [
      "100,000 targets",
      (own) => Object.assign(own.adapter, { targets: many(100_000) }),
      "more than 262,144 characters (limit adapter-record; TFJS_LORA_PRO_LIMITS=adapter-record=N raises it)"
    ],
    [
      "900 overrides of nothing",
      (own) => Object.assign(own.adapter, { overrides: many(900).map((name) => ({ targets: [name], rank: 1 })) }),
      "is not an adapter of small: overrides.0"
    ],
    [
      "20,000 empty overrides",
      (own) => Object.assign(own.adapter, { overrides: many(20_000).map(() => ({})) }),
      "its record is damaged: adapter.overrides.0"
    ],
    [
      "a head that is nowhere",
      (own) => Object.assign(own, { head: ["/etc/passwd"] }),
      'model.head: found "/etc/passwd"; expected a layer with weights'
    ],
    [
      "20,000 heads that are nowhere",
      (own) => Object.assign(own, { head: many(20_000) }),
      /model.head: found "layer0"[\s\S]*and 19,980 more/
    ],
    [
      "a head of 200,000 letters",
      (own) => Object.assign(own, { head: ["h".repeat(200_000)] }),
      'model.head: found "hhh'
    ],
    ["a later form", (own) => Object.assign(own, { format: 7 }), "was saved in form 7 by a later version"],
    ["no form", (own) => Object.assign(own, { text: "null" }), "its record is damaged"],
    [
      "levels upon levels",
      (own) => Object.assign(own, { text: `${"[".repeat(100_000)}` }),
      "its record is damaged: it nests deeper than 64 levels"
    ],
    [
      "another base, in colours",
      (own) => Object.assign(own, { base: { name: "\u001b[31mred", weights: "0" } }),
      "trained over other weights: found 0 (\\u001b[31mred)"
    ],
    [
      "none",
      (_, around) => Object.assign(around, { __metadata__: {} }),
      'has no "tfjs-lora-pro" in its metadata; expected an adapter written by save()'
    ]
  ])
})

describe("its tensors", () => {
  const A = "base_model.model.hidden.lora_A.weight"
  refusals([
    [
      "of another shape",
      (_, around) => Object.assign(around[A], { shape: [4, 2] }),
      "hidden.lora_A.weight has shape [4,2], expected [2,4]"
    ],
    [
      "of whole numbers",
      (_, around) => Object.assign(around[A], { dtype: "I32" }),
      "hidden.lora_A.weight is I32, expected F32 or F16 or BF16 or F64"
    ],
    [
      "with NaN",
      (_, around, numbers) => {
        new DataView(numbers.buffer).setFloat32(around[A].data_offsets[0] + 12, Number.NaN, true)
      },
      "hidden.lora_A.weight holds NaN at 3, expected finite numbers"
    ],
    [
      "under the name __proto__",
      (own, around) => {
        const { [A]: tensor, ...others } = around
        around.__metadata__[KEY] = JSON.stringify(own)
        own.text = JSON.stringify(own)
        for (const name of Object.keys(around)) delete around[name]
        Object.assign(around, others)
        Object.defineProperty(around, "__proto__", { value: tensor, enumerable: true })
      },
      "tensor __proto__ does not belong to this model"
    ],
    [
      "more than its file has",
      (_, around) => {
        around[A].shape = [2 ** 20, 2 ** 20]
        around[A].data_offsets[1] = around[A].data_offsets[0] + 4 * 2 ** 40
      },
      "truncated: "
    ]
  ])
})

describe("its file", () => {
  const place = (make: (file: string) => unknown): string => {
    rmSync(w.path("lying"), { recursive: true, force: true })
    mkdirSync(w.path("lying"))
    make(w.path(`lying/${FILE}`))
    return "lying"
  }
  test.each([
    ["a pipe", () => place((file) => Bun.spawnSync(["mkfifo", file])), "not a regular file (fifo)"],
    ["a folder", () => place((file) => mkdirSync(file)), "not a regular file (directory)"],
    [
      "a link to a device",
      () => place((file) => symlinkSync("/dev/zero", file)),
      "not a regular file (characterdevice)"
    ],
    [
      "a terabyte of zeros",
      () =>
        place((file) => {
          writeFileSync(file, "")
          truncateSync(file, 1e12)
        }),
      "the header is not JSON"
    ],
    ["no longer there", () => `nowhere/${FILE}`, "no such file"]
  ])("is %s", (_, adapter, says) => refuses(adapter(), says))

  test("is there, and the base is a URL, a device, or not there", async () => {
    await refuses(
      "adapter",
      "is a URL; models are read from files: download it first",
      "https://example.com/model.json"
    )
    await refuses("adapter", "cannot be read: it is a device", "/dev/zero")
    await refuses("adapter", "no such file; expected the model.json of a tf.LayersModel", "nowhere/model.json")
  })
})

describe("an adapter in a run folder", () => {
  const file = "run/adapter/adapter_model.safetensors"
  let whole: Uint8Array
  beforeAll(async () => {
    w.model("bert")
    w.write(
      "plan.json",
      tinyPlan("bert", {
        training: { steps: 1, batchSize: 2 },
        data: { format: "classification", train: "train.jsonl" }
      })
    )
    await succeed(w.cli(["train", "plan.json", "--out", "run", ...onWasm]))
    whole = Uint8Array.from(w.bytes(file))
  }, TIMEOUT)

  const said = async (make: (path: string) => unknown) => {
    rmSync(w.path(file))
    make(w.path(file))
    const { code, stderr } = await w.cli(["predict", "run", "a fine film", ...onWasm])
    expect(code).toBe(1)
    expect(stderr).not.toMatch(/^\s+at /m)
    return stderr
  }

  test("with NaN", async () => {
    const bytes = Uint8Array.from(whole)
    new DataView(bytes.buffer).setFloat32(bytes.length - 4, Number.NaN, true)
    expect(await said((path) => writeFileSync(path, bytes))).toMatch(/holds NaN at \d+, expected finite numbers/)
  })

  test("with a tensor of a terabyte is refused before that is read", async () => {
    const length = Number(new DataView(whole.buffer).getBigUint64(0, true))
    const json = JSON.parse(new TextDecoder().decode(whole.subarray(8, 8 + length)))
    const last = Object.keys(json).at(-1)!
    json[last] = {
      dtype: "F32",
      shape: [2 ** 19, 2 ** 19],
      data_offsets: [json[last].data_offsets[0], json[last].data_offsets[0] + 2 ** 40]
    }
    const text = new TextEncoder().encode(JSON.stringify(json))
    const head = new Uint8Array(8 + text.length)
    new DataView(head.buffer).setBigUint64(0, BigInt(text.length), true)
    head.set(text, 8)
    const stderr = await said((path) => {
      writeFileSync(path, head)
      truncateSync(path, head.length + json[last].data_offsets[1])
    })
    expect(stderr).toContain(`${last} has shape [524288,524288], expected [`)
  })

  test("that is a pipe", async () => {
    expect(await said((path) => Bun.spawnSync(["mkfifo", path]))).toContain("not a regular file (fifo)")
  })
})
