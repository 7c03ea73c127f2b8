/**
 * Files are data: what comes from a model folder, a data file, a plan or a run folder reaches no other file, makes no process
 * hang, and allocates nothing that the file itself does not fill. (Whatever nobody thought of here: test/fuzz.)
 */
import { afterAll, describe, expect, test } from "bun:test"
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Scope from "effect/Scope"
import { limit, overLimit } from "../../src/boundary/index.ts"
import { openLabelledFile } from "../../src/data/index.ts"
import { writeJson } from "../../src/files/atomic-file.ts"
import { isDeeperThan, parseBoundedJson } from "../../src/files/text-file.ts"
import type { Sources } from "../../src/hub/index.ts"
import { describe as describeModel, loadTokenizer } from "../../src/models/index.ts"
import { saveTensors } from "../../src/output/adapter-folder.ts"
import { appendMetrics } from "../../src/output/run.ts"
import { checkFree, createRunFolder } from "../../src/output/run-folder.ts"
import { readPlan } from "../../src/plan/index.ts"
import { platform } from "../../src/platform.ts"
import { readFolderHeaders, readTensors, writeSafetensors } from "../../src/safetensors/index.ts"
import { tokenizers } from "../fuzz/tokenizers.ts"

const folder = mkdtempSync(join(tmpdir(), "security-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let folders = 0
const freshFolder = (): string => {
  const path = join(folder, `${folders++}`)
  mkdirSync(path)
  return path
}

type Needs = Sources | Scope.Scope
const run = <A, E>(effect: Effect.Effect<A, E, Needs>): Promise<A> =>
  Effect.runPromise(effect.pipe(Effect.scoped, Effect.provide(platform)))
const messageOf = <A, E extends { readonly message: string }>(effect: Effect.Effect<A, E, Needs>): Promise<string> =>
  run(Effect.map(Effect.flip(effect), ({ message }) => message))

const golden = join(import.meta.dirname, "..", "golden", "models", "bert")
/** A copy of a golden model with a tokenizer; `files` replace or add some. */
const modelFolder = (files: Readonly<Record<string, unknown>> = {}): string => {
  const path = freshFolder()
  for (const name of ["config.json", "model.safetensors"]) cpSync(join(golden, name), join(path, name))
  writeFileSync(join(path, "tokenizer.json"), JSON.stringify(tokenizers[0]))
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(path, name), typeof content === "string" ? content : JSON.stringify(content))
  }
  return path
}
const config = JSON.parse(readFileSync(join(golden, "config.json"), "utf8"))
const describeIn = (path: string) => describeModel(path, { pooling: "mean", head: "new", labels: ["a", "b"] })

describe("names in a model folder lead nowhere else", () => {
  const outside = freshFolder()
  cpSync(join(golden, "model.safetensors"), join(outside, "secret.safetensors"))

  test.each([
    "../secret.safetensors",
    join(outside, "secret.safetensors"),
    "..\\secret.safetensors",
    "C:secret.safetensors",
    "sub/secret.safetensors",
    "..",
    ".safetensors",
    "a.safetensors\u0000.safetensors",
    "secret.pt",
    "",
    7,
    null,
    { "0": "x" }
  ])("a shard called %p is refused before it is looked for", async (shard) => {
    const path = freshFolder()
    // beside the folder, where "../" would find it
    cpSync(join(outside, "secret.safetensors"), join(folder, "secret.safetensors"))
    writeFileSync(join(path, "model.safetensors.index.json"), JSON.stringify({ weight_map: { "bert.x": shard } }))
    expect(await messageOf(readFolderHeaders(path))).toContain(
      `tensor bert.x is listed in ${JSON.stringify(shard)}; expected a .safetensors file of the same folder`
    )
  })

  test("a shard that is a link is followed for reading: that is how the Hub's cache is laid out", async () => {
    const path = freshFolder()
    symlinkSync(join(outside, "secret.safetensors"), join(path, "model-1.safetensors"))
    const index = { weight_map: { "classifier.bias": "model-1.safetensors" } }
    writeFileSync(join(path, "model.safetensors.index.json"), JSON.stringify(index))
    expect([...(await run(readFolderHeaders(path))).keys()]).toEqual(["classifier.bias"])
  })

  test("tensor names are keys of a map and nothing else", async () => {
    const path = join(freshFolder(), "x.safetensors")
    const names = ["../../escape", "__proto__", "constructor", "a\u0000b", "/etc/passwd"]
    const tensors = Object.fromEntries(names.map((name) => [name, { shape: [1], data: new Float32Array([1]) }]))
    await run(writeSafetensors(path, tensors))
    expect([...(await run(readTensors(path))).keys()].sort()).toEqual(names.sort())
    expect(existsSync(join(folder, "escape"))).toBe(false)
    expect(Object.keys(Object.prototype)).toEqual([])
  })
})

describe("JSON is bounded before it is parsed", () => {
  const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`

  test("brackets in strings are no levels, and an escaped quote ends no string", () => {
    expect(isDeeperThan(deep(64), 64)).toBe(false)
    expect(isDeeperThan(deep(65), 64)).toBe(true)
    expect(isDeeperThan(JSON.stringify([deep(999), '\\"[[[[', "\\\\"]), 1)).toBe(false)
    expect(isDeeperThan('{"a":[{"b":"]}"}]}', 2)).toBe(true)
    expect(isDeeperThan("[],".repeat(999), 1)).toBe(false)
    expect(parseBoundedJson(deep(limit("json-depth")))).toHaveProperty("value")
    expect(parseBoundedJson(deep(limit("json-depth") + 1))).toEqual({
      problem: `nests deeper than ${overLimit("json-depth")}`
    })
  })

  const tooDeep = deep(1_000_000)
  const says = "nests deeper than 64 levels"

  test("config.json, tokenizer.json, tokenizer_config.json, the index, a header, a row, a plan, a setting", async () => {
    expect(await messageOf(describeIn(modelFolder({ "config.json": tooDeep })))).toContain(`config.json: ${says}`)
    expect(await messageOf(loadTokenizer(modelFolder({ "tokenizer.json": tooDeep })))).toContain(says)
    expect(await messageOf(loadTokenizer(modelFolder({ "tokenizer_config.json": tooDeep })))).toContain(says)

    const path = freshFolder()
    writeFileSync(join(path, "model.safetensors.index.json"), tooDeep)
    expect(await messageOf(readFolderHeaders(path))).toContain(says)

    const header = new Uint8Array(8 + tooDeep.length)
    new DataView(header.buffer).setBigUint64(0, BigInt(tooDeep.length), true)
    header.set(new TextEncoder().encode(tooDeep), 8)
    writeFileSync(join(path, "x.safetensors"), header)
    expect(await messageOf(readTensors(join(path, "x.safetensors")))).toContain(says)

    const rows = join(path, "rows.jsonl")
    writeFileSync(rows, `{"text":"a","label":"b"}\n{"text":${tooDeep},"label":"b"}\n`)
    expect(await messageOf(openLabelledFile(rows, { text: "text", label: "label" }))).toContain(`rows.jsonl:2: ${says}`)

    const plan = join(path, "plan.json")
    writeFileSync(plan, tooDeep)
    expect(await messageOf(readPlan(plan))).toContain("more than 64 levels")
    writeFileSync(plan, "{}")
    expect(await messageOf(readPlan(plan, [`seed=${deep(100)}`]))).toContain("seed: found")
  })

  test("the size of a file that is read whole", async () => {
    // sparse: as large as it says, and on disk nothing
    const grown = (name: string, bytes: number) => {
      const path = modelFolder({ [name]: "{}" })
      truncateSync(join(path, name), bytes)
      return path
    }
    for (const name of ["config.json", "tokenizer.json"]) {
      const path = grown(name, 5e9)
      const message = await messageOf<unknown, { readonly message: string }>(
        name === "config.json" ? describeIn(path) : loadTokenizer(path)
      )
      expect(message).toContain(
        `${name}: is too large: 5,000,000,000 bytes, more than 67,108,864 bytes (limit text-file-bytes`
      )
    }
    const plan = join(grown("plan.json", 5e9), "plan.json")
    expect(await messageOf(readPlan(plan))).toContain("is too large")
  })

  test("a header's announced length, before anything is allocated for it", async () => {
    const file = join(freshFolder(), "x.safetensors")
    const bytes = new Uint8Array(16)
    for (const length of [2n ** 64n - 1n, 2n ** 40n, 100_000_001n]) {
      new DataView(bytes.buffer).setBigUint64(0, length, true)
      writeFileSync(file, bytes)
      expect(await messageOf(readTensors(file))).toMatch(/at most 33,554,432 bytes \(limit safetensors-header-bytes/)
    }
    new DataView(bytes.buffer).setBigUint64(0, 30_000_000n, true)
    writeFileSync(file, bytes)
    expect(await messageOf(readTensors(file))).toContain("truncated: the header ends at byte 30000008")
  })

  test("a tensor larger than its file", async () => {
    const file = join(freshFolder(), "x.safetensors")
    const header = new TextEncoder().encode(
      '{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}'
    )
    const bytes = new Uint8Array(8 + header.length + 8)
    new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true)
    bytes.set(header, 8)
    writeFileSync(file, bytes)
    expect(await messageOf(readTensors(file))).toContain("truncated")
  })

  test("a config that asks for a billion layers", async () => {
    const path = modelFolder({ "config.json": { ...config, num_hidden_layers: 1_000_000_000 } })
    expect(await messageOf(describeIn(path))).toMatch(/config\.json: num_hidden_layers: .*1000/)
  })
})

describe("a tokenizer.json cannot make a library loop, hand out what is no id, or change objects", () => {
  const base = tokenizers[0] as Record<string, Record<string, unknown>>
  const model = base["model"]!
  const withVocabulary = (vocab: unknown) => ({ ...base, model: { ...model, vocab } })

  test.each([
    ["an id of 4 billion", withVocabulary({ "[PAD]": 0, a: 4_294_967_294 }), 'the token "a" has the id 4294967294'],
    ["a negative id", withVocabulary({ "[PAD]": -1 }), 'the token "[PAD]" has the id -1'],
    ["half an id", withVocabulary({ "[PAD]": 0.5 }), 'the token "[PAD]" has the id 0.5'],
    ["pieces of length 0", { ...base, pre_tokenizer: { type: "FixedLength", length: 0 } }, "pre_tokenizer.length is 0"],
    [
      "the same, inside",
      { ...base, pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "FixedLength", length: -1 }] } },
      "pre_tokenizer.pretokenizers.0.length is -1"
    ],
    [
      "a prefix of a million characters",
      { ...base, normalizer: { type: "Prepend", prepend: "x".repeat(1_000_000) } },
      "normalizer.prepend has 1,000,000 characters, more than 4,096 characters (limit pattern-characters"
    ],
    ["a normalizer of no shape", { ...base, normalizer: { type: 7, normalizers: {} } }, "cannot be used"],
    [
      "an unknown token that is not in the vocabulary",
      { ...base, model: { ...model, unk_token: "[?]" } },
      "a token is not in the vocabulary"
    ],
    ["null", null, "is not a JSON object"],
    ["a list", [], "is not a JSON object"],
    ["no vocabulary", { ...base, model: { type: "WordPiece" } }, "model.vocab is neither an object nor a list"],
    ["an added token without content", { ...base, added_tokens: [{ id: 1 }] }, 'added_tokens.0 has no "content"']
  ])("%s", async (_, json, problem) => {
    const message = await messageOf(loadTokenizer(modelFolder({ "tokenizer.json": json }), {}))
    expect(message).toContain(`tokenizer.json: `)
    expect(message).toContain(problem)
  })

  test("the key __proto__ is a key", async () => {
    const text = JSON.stringify(base).replace(
      '"model":{',
      '"__proto__":{"polluted":1},"model":{"__proto__":{"vocab":{}},'
    )
    await run(loadTokenizer(modelFolder({ "tokenizer.json": text })))
    expect("polluted" in {}).toBe(false)
  })

  test.each(tokenizers.map((json, i) => [i, json] as const))(
    "tokenizer %i of the fuzz tests is sound",
    async (_, json) => {
      const { encode, vocabularySize } = await run(loadTokenizer(modelFolder({ "tokenizer.json": json })))
      const { ids, typeIds } = encode("a fine film", 8)
      expect(ids.length).toBeGreaterThan(0)
      expect(typeIds.length).toBe(ids.length)
      expect(vocabularySize).toBe(16)
      expect(encode("a b c a b c", 3).ids.length).toBe(3)
      expect(encode("a b c a b c", 1).ids.length).toBe(1)
    }
  )
})

/** What is not a regular file: to open a pipe is to wait until somebody writes to it. */
describe("pipes, devices and folders are refused at once", () => {
  const pipe = (name: string): string => {
    const path = freshFolder()
    expect(Bun.spawnSync(["mkfifo", join(path, name)]).exitCode).toBe(0)
    return path
  }

  test("as data, config, tokenizer, weights and plan", async () => {
    const columns = { text: "text", label: "label" }
    expect(await messageOf(openLabelledFile(join(pipe("x.jsonl"), "x.jsonl"), columns))).toContain("not a regular file")
    expect(await messageOf(describeIn(pipe("config.json")))).toContain("config.json: cannot be read: it is")
    expect(await messageOf(loadTokenizer(pipe("tokenizer.json")))).toContain("tokenizer.json: cannot be read: it is")
    expect(await messageOf(readFolderHeaders(pipe("model.safetensors")))).toContain("not a regular file")
    expect(await messageOf(readPlan(join(pipe("plan.json"), "plan.json")))).toContain("cannot be read: it is")
    expect(await messageOf(readPlan("/dev/zero"))).toContain("not a regular file")
  }, 10_000)
})

describe("a link in a run folder is not written through", () => {
  const victim = (): string => {
    const file = join(freshFolder(), "victim.txt")
    writeFileSync(file, "mine")
    return file
  }
  const row = { kind: "evaluation", step: 0 } as unknown as Parameters<ReturnType<typeof appendMetrics>>[0]

  test("metrics.jsonl", async () => {
    const file = victim()
    const metrics = join(freshFolder(), "metrics.jsonl")
    symlinkSync(file, metrics)
    expect(await messageOf(appendMetrics(metrics)(row))).toMatch(/cannot write .*metrics\.jsonl: it is a symbolic link/)
    expect(readFileSync(file, "utf8")).toBe("mine")
    const own = join(freshFolder(), "metrics.jsonl")
    await run(appendMetrics(own)(row))
    await run(appendMetrics(own)(row))
    expect(readFileSync(own, "utf8")).toBe(`${JSON.stringify(row)}\n`.repeat(2))
  })

  test("JSON and tensors: the link itself is replaced, also one that waits under the temporary name", async () => {
    const path = freshFolder()
    const tensors = { a: { shape: [1], data: new Float32Array([1]) } }
    const writers = [
      ["run.json", (file: string) => writeJson(file, { a: 1 })],
      ["adapter.safetensors", (file: string) => writeSafetensors(file, tensors)]
    ] as const
    for (const [name, write] of writers) {
      const [first, second] = [victim(), victim()]
      symlinkSync(first, join(path, name))
      symlinkSync(second, join(path, `${name}.tmp-${process.pid}`))
      await run(write(join(path, name)) as Effect.Effect<void, unknown, FileSystem.FileSystem>)
      expect([first, second].map((file) => readFileSync(file, "utf8"))).toEqual(["mine", "mine"])
      expect(lstatSync(join(path, name)).isSymbolicLink()).toBe(false)
    }
  })

  test("the adapter folder", async () => {
    const elsewhere = freshFolder()
    const adapter = join(freshFolder(), "adapter")
    symlinkSync(elsewhere, adapter)
    const nothing = { trainable: { pairs: [], dense: [] } } as unknown as Parameters<typeof saveTensors>[0]
    expect(await messageOf(saveTensors(nothing, adapter))).toContain("adapter: it is a symbolic link")
  })

  test("a run folder that is a link, also one that leads nowhere, is taken", async () => {
    const link = join(freshFolder(), "run")
    symlinkSync(join(folder, "nowhere"), link)
    expect(await messageOf(createRunFolder(link, "x"))).toContain("exists already")
    expect(existsSync(join(folder, "nowhere"))).toBe(false)
    const real = join(freshFolder(), "run")
    symlinkSync(freshFolder(), real)
    expect(await messageOf(checkFree(real))).toContain("exists already")
  })
})
