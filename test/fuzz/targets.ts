/**
 * What is fuzzed: everything that is read from a file, from its bytes to the value that the rest of the program trusts. A target
 * turns a random stream into one case and an effect; the effect has to succeed or to fail with an error of ours.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { decodeRunPlan } from "../../schemas/index.ts"
import { fromRows, lengthPercentiles, openClassification, tokenizeRows } from "../../src/data/index.ts"
import { causalTokenizer } from "../../src/models/causal/causal-tokenizer.ts"
import { describeCausal } from "../../src/models/causal/index.ts"
import { ggufSource } from "../../src/models/gguf/gguf-source.ts"
import { describe, loadTokenizer } from "../../src/models/index.ts"
import type { Random } from "../../src/numbers/random.ts"
import { planFromValue, readPlan } from "../../src/plan/index.ts"
import { applySettings } from "../../src/plan/settings.ts"
import { platform } from "../../src/platform.ts"
import { readFolderHeaders, readTensors, writeSafetensors } from "../../src/safetensors/index.ts"
import { complete, smallest } from "../schemas/plans.ts"
import { zipOf } from "../zips.ts"
import { imageFiles } from "./images.ts"
import { mutateBytes, mutateJson, pick } from "./mutate.ts"
import { golden, type Target } from "./target.ts"
import { texts, tokenizers } from "./tokenizers.ts"

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const pretty = (value: unknown): Uint8Array => bytesOf(JSON.stringify(value, null, 2))
const goldenJson = (path: string): unknown => JSON.parse(readFileSync(golden(path), "utf8"))

/** Half of the cases stay JSON and reach deep; half are only nearly JSON, or nothing. */
const mutant = (values: ReadonlyArray<unknown>, random: Random): Uint8Array =>
  random() < 0.5 ? bytesOf(mutateJson(values, random)) : mutateBytes(values.map(pretty), random)

const plans = [smallest, complete]

const planFiles: Target = (folder) => (random) => {
  const file = join(folder, "plan.json")
  writeFileSync(file, mutant(plans, random))
  return readPlan(file)
}

const settings = ["adapter.rank=4", "data.labels.0=x", "optimizer.betas=[0.9,0.99]", 'model={"source":"x"}', "seed=1"]

const planValues: Target = (folder) => (random) => {
  const text = mutateJson(plans, random)
  const value = isJson(text) ? (JSON.parse(text) as unknown) : null
  const set = new TextDecoder().decode(mutateBytes(settings.map(bytesOf), random))
  return random() < 0.5 ? planFromValue(value, folder) : Effect.flatMap(applySettings(smallest, [set]), decodeRunPlan)
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** A safetensors file of three tensors; most mutations hit its header. */
const safetensorsFiles: Target = (folder) => {
  const file = join(folder, "model.safetensors")
  const tensor = (rows: number) => ({ shape: [rows, 2], data: new Float32Array(2 * rows).fill(1) })
  const seed = writeSafetensors(file, { a: tensor(1), "b.weight": tensor(2), c: tensor(0) }, { format: "pt" })
  let whole: Uint8Array | undefined
  return (random) =>
    Effect.gen(function* () {
      if (whole === undefined) {
        yield* seed
        whole = new Uint8Array(readFileSync(file))
      }
      writeFileSync(file, random() < 0.5 ? mutateBytes([whole], random) : withHeader(whole, random))
      for (const [name, { shape, data }] of yield* readTensors(file)) {
        const size = shape.reduce((product, n) => product * n, 1)
        if (size !== data.length) throw new Error(`tensor ${name}: ${data.length} numbers for shape [${shape}]`)
      }
    })
}

/** The tensors under a header that is still JSON, its length stated truly or nearly so. */
const withHeader = (whole: Uint8Array, random: Random): Uint8Array => {
  const length = Number(new DataView(whole.buffer).getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(whole.subarray(8, 8 + length)))
  const text = bytesOf(mutateJson([header], random))
  const bytes = new Uint8Array(8 + text.length + whole.length - 8 - length)
  const stated =
    random() < 0.9 ? BigInt(text.length) : pick([0n, 2n ** 63n, BigInt(text.length) + 8n, 99_999_999n], random)
  new DataView(bytes.buffer).setBigUint64(0, stated, true)
  bytes.set(text, 8)
  bytes.set(whole.subarray(8 + length), 8 + text.length)
  return bytes
}

const shardIndexes: Target = (folder) => {
  const source = golden("models/bert/model.safetensors")
  mkdirSync(join(folder, "shards"))
  cpSync(source, join(folder, "shards", "model-1.safetensors"))
  const weightMap = { "bert.pooler.dense.bias": "model-1.safetensors", "classifier.bias": "model-1.safetensors" }
  const seeds = [{ metadata: { total_size: 98_276 }, weight_map: weightMap }]
  return (random) => {
    writeFileSync(join(folder, "shards", "model.safetensors.index.json"), mutant(seeds, random))
    return readFolderHeaders(join(folder, "shards"))
  }
}

const families = ["bert", "distilbert", "modernbert", "roberta"]

const configs: Target = (folder) => {
  for (const family of families) {
    mkdirSync(join(folder, family))
    cpSync(golden(`models/${family}/model.safetensors`), join(folder, family, "model.safetensors"))
  }
  const seeds = new Map(families.map((family) => [family, goldenJson(`models/${family}/config.json`)]))
  return (random) => {
    const family = pick(families, random)
    writeFileSync(join(folder, family, "config.json"), mutant([seeds.get(family)], random))
    const head = pick(["new", "checkpoint"] as const, random)
    return describe(join(folder, family), {
      pooling: "pooler",
      head,
      labels: random() < 0.5 ? ["a", "b"] : undefined
    })
  }
}

const tokenizerConfigs = [{ pad_token: "[PAD]", unk_token: { content: "[UNK]" }, tokenizer_class: "BertTokenizer" }]

const tokenizerFiles: Target = (folder) => (random) => {
  writeFileSync(join(folder, "tokenizer.json"), mutant(tokenizers, random))
  writeFileSync(
    join(folder, "tokenizer_config.json"),
    random() < 0.3 ? mutant(tokenizerConfigs, random) : pretty(tokenizerConfigs[0])
  )
  return Effect.gen(function* () {
    const tokenizer = yield* loadTokenizer(folder, random() < 0.5 ? { vocabularySize: 16 } : {})
    const rows = texts.map((text, i) => ({ text, label: "a", where: `rows:${i}` }))
    const source = fromRows(rows)
    yield* lengthPercentiles(source, tokenizer.encode, 8)
    for (const { ids } of yield* tokenizeRows(rows, tokenizer, ["a"], 8)) {
      // what reaches the embedding: as many as asked for, each a row of it
      const valid =
        ids.length <= 8 && ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabularySize)
      if (!valid) throw new Error(`ids ${ids}, of ${tokenizer.vocabularySize}`)
    }
  })
}

/** Of these files so many bytes and fewer are their headers. */
const ggufHeader = 20_000

const ggufFiles: Target = (folder) => {
  const file = join(folder, "model-00001-of-00003.gguf")
  const seeds = ["mistral-converted", "phi3-converted", "gemma3-converted", "gpt2", "llama-00001-of-00003"].map(
    (name) => new Uint8Array(readFileSync(golden(`gguf/${name}.gguf`)))
  )
  for (const part of [2, 3]) {
    cpSync(golden(`gguf/llama-0000${part}-of-00003.gguf`), join(folder, `model-0000${part}-of-00003.gguf`))
  }
  return (random) => {
    const seed = pick(seeds, random)
    const head = mutateBytes([seed.subarray(0, ggufHeader)], random)
    writeFileSync(file, random() < 0.3 ? mutateBytes([seed], random) : Buffer.concat([head, seed.subarray(ggufHeader)]))
    return Effect.gen(function* () {
      const source = yield* ggufSource(file)
      yield* describeCausal(source)
      yield* source.read([...source.tensors.keys()], (name, data) => {
        const { shape } = source.tensors.get(name)!
        const size = shape.reduce((product, n) => product * n, 1)
        if (size === data.length) return Effect.void
        throw new Error(`tensor ${name}: ${data.length} numbers for shape [${shape}]`)
      })
      if (source.tokenizer === null) return
      const { encode, vocabularySize } = yield* causalTokenizer(source)
      const ids = texts.flatMap((text) => encode(text))
      if (!ids.every((id) => Number.isInteger(id) && id >= 0 && id < vocabularySize)) throw new Error(`ids ${ids}`)
    })
  }
}

const jsonl = Array.from(
  { length: 12 },
  (_, i) => `{"text": "text é ${i % 9}\\n", "label": ${i % 2 ? '"b"' : "2"}, "n": [${i}]}`
)
const csv = [
  "text,label,n",
  "plain,a,1",
  '"with, comma",b,2',
  '"two\nlines ""quoted""",a,3',
  "électrique,b,4",
  "plain,b,5",
  ""
]

const letters = ["a", "b"].flatMap((label) =>
  ["1", "2", "3"].map((name) => ({ name: `all/${label}/${name}.txt`, bytes: `text é ${name}`, isStored: name === "1" }))
)

const rowFiles =
  (extension: "jsonl" | "json" | "csv" | "zip", seeds: ReadonlyArray<Uint8Array>): Target =>
  (folder) =>
  (random) => {
    const train = join(folder, `train.${extension}`)
    const test = join(folder, `test.${extension}`)
    const [spoiled, sound] = random() < 0.7 ? [train, test] : [test, train]
    writeFileSync(spoiled, mutateBytes(seeds, random))
    writeFileSync(sound, seeds[0]!)
    const section = { format: "classification", text: "text", label: "label", maxLength: 32, bucketPool: 8 } as const
    return Effect.gen(function* () {
      const validation = random() < 0.5 ? { validation: 0.3 } : {}
      const { splits } = yield* openClassification({ ...section, train, ...validation, test }, 0)
      for (const split of Object.values(splits)) {
        const rows = yield* split.read(Array.from({ length: split.rows }, (_, i) => i))
        if (rows.some(({ text, label }) => text.trim() === "" || !splits.train.labels.includes(label))) {
          throw new Error(`a row that should have been refused: ${JSON.stringify(rows)}`)
        }
      }
    })
  }

export const targets: { readonly [name: string]: Target } = {
  "plan files": planFiles,
  "plan values": planValues,
  "safetensors files": safetensorsFiles,
  "shard indexes": shardIndexes,
  "config.json": configs,
  "tokenizer.json": tokenizerFiles,
  "GGUF files": ggufFiles,
  "JSON Lines": rowFiles("jsonl", [jsonl.join("\n"), jsonl.slice(0, 3).join("\r\n")].map(bytesOf)),
  JSON: rowFiles("json", [`[${jsonl.join(",\n")}]`, `{"n": [1], "data": {"rows": [${jsonl.join()}]}}`].map(bytesOf)),
  CSV: rowFiles("csv", [csv.join("\n"), csv.join("\r\n"), csv.slice(0, 2).join("\n")].map(bytesOf)),
  ZIP: rowFiles("zip", [zipOf([{ name: "rows.csv", bytes: csv.join("\n") }], true), zipOf(letters)]),
  "PNG images": imageFiles(".png"),
  "JPEG images": imageFiles(".jpg"),
  "WebP images": imageFiles(".webp")
}

export { platform }
