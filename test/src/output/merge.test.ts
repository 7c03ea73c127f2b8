/**
 * Merged folders of two tiny runs, a base in shards, and what is refused. Every method, model and packing is in merge.processes.ts;
 * in transformers they are loaded by test/e2e/merge.test.ts.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { type Adapted, methods } from "../../../adapters/index.ts"
import { compareOutputs, fenced, MERGE_BOUND, mergedCard } from "../../../src/output/index.ts"
import { streamSafetensors } from "../../../src/safetensors/index.ts"
import { loadRun, mergeLoaded, mergeRun } from "../../../src/trained/index.ts"
import { listing, tensorsIn, workspace } from "../../e2e/fixtures.ts"
import { cases, everyDay, lora, modulesToSave, pooler, testMerged, writeBases } from "./merged-runs.ts"
import { onDevice, trainTiny } from "./tiny-run.ts"

const w = workspace()
writeBases(w)

describe("a merged run", () => {
  for (const one of cases.filter(({ name }) => everyDay.includes(name))) testMerged(w, one)

  test("has the base's tokenizer files and licence, and nothing else of its folder", () => {
    expect(listing(w.path("runs/bert-pooler/merged"))).toEqual([
      "LICENSE",
      "README.md",
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json"
    ])
    for (const file of ["LICENSE", "tokenizer.json"]) {
      expect(w.read(`runs/bert-pooler/merged/${file}`)).toBe(w.read(`bert/${file}`))
    }
    // and what the base's does not say: without it, transformers lowercases whatever tokenizer.json does
    expect(w.json("runs/bert-pooler/merged/tokenizer_config.json")).toEqual({
      model_max_length: 40,
      pad_token: "[PAD]",
      tokenizer_class: "BertTokenizer",
      do_lower_case: true,
      strip_accents: null,
      tokenize_chinese_chars: true,
      mask_token: null
    })
  })

  test("says in its card what was merged into what, how exactly, and how to load it", () => {
    const card = w.read("runs/bert-pooler/merged/README.md")
    expect(card).toStartWith("---\nlibrary_name: transformers\npipeline_tag: text-classification\n")
    expect(card).toContain('license: "apache-2.0"')
    expect(card).toContain("LoRA of rank 4 (s = 2) in 12 linear layers")
    expect(card).toContain('["bad","fair","good"]')
    expect(card).toContain("| 6 (validation) | 6 |")
    expect(card).toContain(new Bun.CryptoHasher("sha256").update(w.bytes("bert/model.safetensors")).digest("hex"))
    expect(card).toContain("BertForSequenceClassification")
    expect(card).not.toContain(w.directory)
  })

  test("leaves nothing on the device", async () => {
    const { before, after } = await onDevice(
      Effect.gen(function* () {
        const before = tf.memory().numTensors
        yield* mergeRun(w.path("runs/bert-pooler"), { out: w.path("merged-again") })
        return { before, after: tf.memory().numTensors }
      })
    )
    expect(after).toBe(before)
  })

  test("lies where it is told to, in folders that are made for it", async () => {
    const report = await onDevice(mergeRun(w.path("runs/bert-pooler"), { out: w.path("new/folders/merged") }))
    expect(report.directory).toBe(w.path("new/folders/merged"))
    for (const file of listing(w.path("runs/bert-pooler/merged"))) {
      expect(w.bytes(`new/folders/merged/${file}`)).toEqual(w.bytes(`runs/bert-pooler/merged/${file}`))
    }
  })
})

describe("a base", () => {
  test("in shards becomes one file", async () => {
    w.model("bert", "sharded")
    const tensors = [...(await tensorsIn(w, "bert/model.safetensors"))]
    const shards = [tensors.slice(0, 20), tensors.slice(20)]
    const map: Record<string, string> = {}
    for (const [i, shard] of shards.entries()) {
      const file = `model-0000${i + 1}-of-00002.safetensors`
      const own = new Map(shard)
      const types = new Map(shard.map(([name, { shape }]) => [name, { dtype: "F32", shape } as const]))
      const bytes = (name: string) => Effect.succeed(new Uint8Array(own.get(name)!.data.buffer))
      await onDevice(streamSafetensors(w.path(`sharded/${file}`), types, bytes))
      for (const [name] of shard) map[name] = file
    }
    rmSync(w.path("sharded/model.safetensors"))
    w.write("sharded/model.safetensors.index.json", { weight_map: map })
    // the plan of bert-pooler on the same numbers
    const run = await trainTiny(w, "of-shards", "sharded", { task: pooler, adapter: { ...lora, modulesToSave } })
    await onDevice(mergeRun(run))
    expect(w.bytes("runs/of-shards/merged/model.safetensors")).toEqual(
      w.bytes("runs/bert-pooler/merged/model.safetensors")
    )
    expect(listing(join(run, "merged"))).not.toContain("model.safetensors.index.json")
  })
})

describe("refused, with nothing left behind:", () => {
  const before: Array<string> = []
  const failed = async (merging: ReturnType<typeof mergeRun> | ReturnType<typeof mergeLoaded>): Promise<string> => {
    const listed = listing(w.directory)
    const { message } = await onDevice(Effect.flip(merging as ReturnType<typeof mergeRun>))
    expect(listing(w.directory)).toEqual(listed)
    before.push(message)
    return message
  }
  const run = w.path("runs/refused")
  beforeAll(() => {
    cpSync(w.path("runs/bert-pooler"), run, { recursive: true })
    rmSync(join(run, "merged"), { recursive: true })
  })

  test("a folder that exists", async () => {
    const message = await failed(mergeRun(run, { out: w.path("bert") }))
    expect(message).toContain("exists already")
    expect(message).toContain("--out")
  })

  /** A run whose `merge` is wrong by `factor` at every layer. */
  const perturbed = (factor: number) =>
    Effect.map(loadRun(run), (loaded) => {
      const { adapted } = loaded
      const merged: typeof adapted.merged = (site, trainable) =>
        tf.tidy(() => tf.mul(adapted.merged(site, trainable), factor))
      return { ...loaded, adapted: { ...adapted, merged } }
    })

  test("a merge that is not what was trained", async () => {
    const message = await failed(mergeLoaded(run, perturbed(1.01), w.path("made/for/nothing")))
    expect(message).toContain(run)
    expect(message).toContain("6 validation rows")
    expect(message).toContain("allowed: 1e-4")
    expect(message).toContain("nothing was written")
    // the same way of loading without the error is taken
    const fine = await onDevice(mergeLoaded(run, perturbed(1), w.path("fine")))
    expect(fine.check.relativeDifference).toBeLessThan(MERGE_BOUND)
  })

  test("a merge that is not a number", async () => {
    expect(await failed(mergeLoaded(run, perturbed(Number.NaN)))).toContain("allowed: 1e-4")
  })

  test("a base with other weights", async () => {
    await Bun.write(w.path("other/x"), "")
    w.model("bert", "other")
    const bytes = w.bytes("other/model.safetensors")
    bytes[bytes.length - 1]! ^= 1
    writeFileSync(w.path("other/model.safetensors"), bytes)
    const message = await failed(mergeRun(run, { base: w.path("other") }))
    expect(message).toContain("SHA-256")
    expect(message).toContain("--base")
  })

  test("a damaged adapter", async () => {
    const file = join(run, "adapter/adapter_model.safetensors")
    writeFileSync(file, w.bytes("runs/refused/adapter/adapter_model.safetensors").subarray(0, -5))
    expect(await failed(mergeRun(run))).toContain("truncated")
  })

  test("a fault in the middle of the file", async () => {
    const listed = listing(w.directory)
    const whole = w.path("runs/bert-pooler")
    const broken = Effect.map(loadRun(whole), (loaded) => {
      const { adapted } = loaded
      let layers = 0
      const merged: typeof adapted.merged = (site, trainable) => {
        if (++layers === 3) throw new Error("the third layer never comes")
        return adapted.merged(site, trainable)
      }
      return { ...loaded, adapted: { ...adapted, merged } }
    })
    const exit = await onDevice(Effect.exit(mergeLoaded(whole, broken, w.path("half"))))
    expect(exit._tag).toBe("Failure")
    expect(listing(w.directory)).toEqual(listed)
  })

  test("an interruption", async () => {
    const listed = listing(w.directory)
    let during: ReadonlyArray<string> = []
    const endless = Effect.andThen(
      Effect.sync(() => {
        during = listing(w.directory)
      }),
      Effect.never
    )
    const merging = mergeLoaded(run, endless, w.path("never"))
    await onDevice(Effect.exit(Effect.timeout(merging, "100 millis")))
    expect(during.length).toBe(listed.length + 1) // there was something to remove
    expect(listing(w.directory)).toEqual(listed)
  })

  test("a folder that came into being meanwhile, which is left as it is", async () => {
    const whole = w.path("runs/bert-pooler")
    const load = Effect.tap(loadRun(whole), () => Effect.sync(() => w.write("meanwhile/file", "somebody's")))
    const { message } = await onDevice(Effect.flip(mergeLoaded(whole, load, w.path("meanwhile"))))
    expect(message).toContain("exists already")
    expect(listing(w.path("meanwhile"))).toEqual(["file"])
    expect(readdirSync(w.directory).filter((file) => file.includes("tmp"))).toEqual([])
  })

  test("each with a message of its own", () => {
    expect(before.length).toBe(5)
    expect(new Set(before).size).toBe(5)
  })
})

const words = { output: "logit", answer: "label" }

describe("the comparison of logits", () => {
  const of = (...numbers: ReadonlyArray<number>) => Float32Array.of(...numbers)

  test("is relative to the largest logit of the unmerged model", () => {
    const compared = compareOutputs(of(1, -4, 2, 0), of(1.5, -4, 2, 0.25), 2, words)
    expect(compared).toEqual({
      rows: 2,
      largestLogit: 4,
      largestDifference: 0.5,
      relativeDifference: 0.125,
      sameLabel: 2
    })
  })

  test("counts rows whose label changed", () => {
    expect(compareOutputs(of(1, 2, 3, 0), of(2, 1, 3, 0), 2, words).sameLabel).toBe(1)
  })

  test("is 0 between zeros, and infinite where something is not a number", () => {
    expect(compareOutputs(of(0, 0), of(0, 0), 2, words).relativeDifference).toBe(0)
    expect(compareOutputs(of(0, 0), of(0, 1e-9), 2, words).relativeDifference).toBe(Number.POSITIVE_INFINITY)
    expect(compareOutputs(of(1, 0), of(Number.NaN, 0), 2, words).relativeDifference).toBe(Number.POSITIVE_INFINITY)
  })
})

describe("a card", () => {
  test("takes labels and names for what they are", async () => {
    const labels = ["```\n# heading", "<script>"]
    const card = mergedCard({
      name: "# <b>a</b>\n---",
      method: methods.lora as Adapted["method"],
      pipeline: "text-classification",
      tags: [],
      introduction: [fenced("json", [JSON.stringify(labels)])],
      weights: "f32",
      base: { path: "/home/somebody/models/bert", sha256: {} },
      license: undefined,
      leftOut: [],
      usage: [],
      counts: { merged: 1, rounded: 0, copied: 1, leftOut: [] },
      check: {
        ...compareOutputs(Float32Array.of(1, 0), Float32Array.of(1, 0), 2, words),
        words,
        split: "test",
        bound: MERGE_BOUND
      }
    })
    expect(card).toContain('\n["```\\n# heading","<script>"]\n')
    expect(card.match(/^```/gm)!.length % 2).toBe(0)
    expect(card).not.toContain("<b>")
    expect(card).not.toContain("somebody")
    expect(card.match(/^---$/gm)!.length).toBe(2)
  })
})
