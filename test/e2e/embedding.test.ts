/** Texts that belong together, from `suggest` to a merged model: vectors are the run's wherever they are made. */
import { beforeAll, describe, expect, test } from "bun:test"
import { appendFileSync } from "node:fs"
import { pearson } from "../../src/training/index.ts"
import { jsonLines, jsonObjects, listing, onWasm, succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"
import { type Refusal, refuses } from "./refusal.ts"
import { relatedRows } from "./text-kinds.ts"

const w = workspace()
const data = {
  format: "embedding",
  train: "related.jsonl",
  validation: "more.jsonl",
  anchor: "query",
  positive: "document",
  maxLength: 16
}
const plan = (sections: Record<string, unknown> = {}) => ({
  ...tinyPlan("minilm", { data, training: { steps: 4, batchSize: 8, evaluateEvery: 2 } }),
  ...sections
})
const train = (name: string, sections: Record<string, unknown> = {}, ...more: ReadonlyArray<string>) => {
  w.write(`${name}.json`, plan(sections))
  return succeed(w.cli(["train", `${name}.json`, "--out", `runs/${name}`, ...more, ...onWasm]))
}
const texts = ["the film is good", "the plot was dull and the cast very bad", "film"]
const vectorsOf = async (place: string, own: ReadonlyArray<string>, ...more: ReadonlyArray<string>) =>
  jsonObjects((await succeed(w.cli(["embed", place, ...own, "--json", ...more, ...onWasm]))).stdout).map(
    ({ vector }) => vector as ReadonlyArray<number>
  )
const embedded = (place: string, ...more: ReadonlyArray<string>) => vectorsOf(place, texts, ...more)
const length = (vector: ReadonlyArray<number>) => Math.hypot(...vector)

beforeAll(async () => {
  w.model("minilm")
  w.model("bert")
  w.write("related.jsonl", jsonLines(relatedRows(24)))
  w.write("more.jsonl", jsonLines(relatedRows(12, 24)))
}, TIMEOUT)

describe("pairs", () => {
  let stdout = ""
  beforeAll(async () => {
    stdout = (await train("pairs")).stdout
  }, TIMEOUT)

  test("suggest sees texts that belong together, and the plan it makes is one", async () => {
    const { stderr } = await succeed(
      w.cli(["suggest", "--model", "minilm", "--data", "related.jsonl", "--out", "suggested.json"])
    )
    expect(stderr).toContain('data.anchor: "query"')
    expect(w.json("suggested.json")["data"]).toMatchObject({ format: "embedding", positive: "document" })
    const { stdout } = await succeed(w.cli(["validate", "suggested.json"]))
    expect(stdout).toContain("vectors of 48: the mean of the tokens, of length 1")
  })

  test("what was gained, and what to do next", () => {
    expect(stdout).toMatch(/Gained on validation: recall@10 \d+\.\d % → \d+\.\d %, loss \d\.\d+ → \d\.\d+/)
    expect(stdout).toMatch(/Gained on validation: .* \(12 rows\)\n/)
    expect(stdout).toContain('embed runs/pairs "your text"')
    expect(w.json("runs/pairs/plan.json")["model"]).toMatchObject({ task: { pooling: "mean", normalize: true } })
    expect(w.read("runs/pairs/adapter/README.md")).toContain("sentence-similarity")
    expect(w.json("runs/pairs/adapter/adapter_config.json")).toMatchObject({ task_type: "FEATURE_EXTRACTION" })
  })

  test("evaluate says again what training said", async () => {
    const { validation } = w.json("runs/pairs/run.json")
    const [report] = jsonObjects((await succeed(w.cli(["evaluate", "runs/pairs", "--json", ...onWasm]))).stdout)
    const { recallAt1, mrrAt10, loss } = validation as Record<string, number>
    expect(report).toMatchObject({ rows: 12, recallAt1, mrrAt10, loss })
    expect(recallAt1).toBeLessThanOrEqual(1)
  })

  test("a text's vector has length 1, whatever it is embedded with", async () => {
    const vectors = await embedded("runs/pairs")
    for (const vector of vectors) expect(length(vector)).toBeCloseTo(1, 5)
    const alone = await succeed(w.cli(["embed", "runs/pairs", "-", "--json", ...onWasm], `${texts[2]}\n`))
    const [one] = jsonObjects(alone.stdout)
    expect(one!["text"]).toBe(texts[2]!)
    // the same numbers but for padding, which changes the order of sums
    expect(pearson(one!["vector"] as Array<number>, vectors[2]!)).toBeGreaterThan(1 - 1e-6)
    const { stdout } = await succeed(w.cli(["embed", "runs/pairs", texts[0]!, ...onWasm]))
    expect(stdout).toMatch(/^\[(-?\d\.\d{4}, ){6}…\] \(48\)\tthe film is good\n$/)
  })

  test("the base alone makes others, and a file of vectors is new", async () => {
    const args = ["embed", "minilm", ...texts, "--out", "vectors.jsonl", ...onWasm]
    const { stdout, stderr } = await succeed(w.cli(args))
    expect(stdout).toBe("")
    expect(stderr).toContain("Wrote 3 vectors to vectors.jsonl")
    const [base] = jsonObjects(w.read("vectors.jsonl"))
    const [trained] = await embedded("runs/pairs")
    expect(pearson(base!["vector"] as Array<number>, trained!)).toBeLessThan(0.9999)
    const again = await w.cli(args)
    expect(again.code).toBe(1)
    expect(again.stderr).toContain("vectors.jsonl")
  })

  test("merged, it is a folder of sentence-transformers' that says how its vectors are made", async () => {
    const { stdout } = await succeed(w.cli(["merge", "runs/pairs", ...onWasm]))
    expect(stdout).toMatch(/On 12 validation rows its coordinates differ .* by at most \d(\.\d)?e-\d/)
    expect(stdout).not.toContain("labels")
    expect(listing(w.path("runs/pairs/merged"))).toEqual([
      "1_Pooling",
      "1_Pooling/config.json",
      "2_Normalize",
      "README.md",
      "config.json",
      "config_sentence_transformers.json",
      "model.safetensors",
      "modules.json",
      "sentence_bert_config.json",
      "tokenizer.json",
      "tokenizer_config.json"
    ])
    expect(w.json("runs/pairs/merged/config.json")).not.toHaveProperty("id2label")
    const [merged, trained] = [await embedded("runs/pairs/merged"), await embedded("runs/pairs")]
    for (const [i, vector] of merged.entries()) {
      expect(Math.max(...vector.map((value, j) => Math.abs(value - trained[i]![j]!)))).toBeLessThan(1e-5)
    }
  })
})

test(
  "triplets, with sizes that vectors may be cut to, by the first token",
  async () => {
    w.write(
      "triplets.jsonl",
      jsonLines(relatedRows(24).map((row, i, all) => ({ ...row, not: all[(i + 1) % 24]!.document })))
    )
    const { stderr } = await train("triplets", {
      model: { source: "minilm", task: { kind: "embedding", pooling: "cls", normalize: false } },
      data: { ...data, train: "triplets.jsonl", negative: "not", validation: 0.25 },
      loss: { temperature: 0.1, matryoshka: [48, 8] }
    })
    expect(stderr).toContain("after step 4: validation recall@10")
    const [vector] = await embedded("runs/triplets")
    expect(length(vector!)).not.toBeCloseTo(1, 2)
    await succeed(w.cli(["merge", "runs/triplets", ...onWasm]))
    expect(w.json("runs/triplets/merged/1_Pooling/config.json")).toMatchObject({ pooling_mode_cls_token: true })
    expect(listing(w.path("runs/triplets/merged"))).not.toContain("2_Normalize")
  },
  TIMEOUT
)

for (const kind of ["cosent", "cosine"])
  test(
    `scored pairs by ${kind}`,
    async () => {
      const scored = (rows: number, from = 0) =>
        relatedRows(rows, from).map((row, i) => ({ ...row, score: (i % 5) / 4 }))
      const held = scored(10, 24)
      w.write("scored.jsonl", jsonLines(scored(24)))
      w.write("held.jsonl", jsonLines(held))
      await train(`scored-${kind}`, {
        data: {
          format: "similarity",
          train: "scored.jsonl",
          validation: "held.jsonl",
          text: "query",
          textPair: "document",
          maxLength: 16
        },
        loss: { kind }
      })
      const { validation } = w.json(`runs/scored-${kind}/run.json`) as { validation: Record<string, number> }
      expect(Math.abs(validation["spearman"]!)).toBeLessThanOrEqual(1)
      if (kind !== "cosine") return
      // its rows are evaluated in parts of 8 and 2: each counts as it has rows
      const sides = held.flatMap(({ query, document }) => [query, document])
      const vectors = await vectorsOf(`runs/scored-${kind}`, sides)
      const errors = held.map(({ score }, i) => {
        const [a, b] = [vectors[2 * i]!, vectors[2 * i + 1]!]
        const cosine = a.reduce((sum, value, at) => sum + value * b[at]!, 0) / (length(a) * length(b))
        return (cosine - score) ** 2
      })
      // float32 cosines of two batches, padded differently
      expect(validation["loss"]!).toBeCloseTo(errors.reduce((sum, one) => sum + one, 0) / held.length, 5)
    },
    TIMEOUT
  )

const withModules = (modules: unknown, pooling: unknown = { pooling_mode: "mean" }) => {
  w.model("minilm", "modules")
  w.write("modules/modules.json", modules)
  w.write("modules/1_Pooling/config.json", pooling)
  w.write("plan.json", plan({ model: { source: "modules" } }))
  return ["validate", "plan.json"]
}
const module = (name: string, path = "") => ({ type: `sentence_transformers.models.${name}`, path })

test("a folder's own modules say how its hidden states are pooled", async () => {
  const modules = [module("Transformer"), module("Pooling", "1_Pooling")]
  const { stdout } = await succeed(w.cli([...withModules(modules, { pooling_mode: "cls" }), "--json"]))
  expect(jsonObjects(stdout)[0]!["model"]).toMatchObject({ pooling: "cls", normalize: false })
})

const cases: ReadonlyArray<Refusal> = [
  {
    name: "rows without what belongs to them, and a blank one",
    args: () => {
      w.write("broken.jsonl", jsonLines([{ query: "a" }, { query: " ", document: "b" }, { query: "a", document: 3 }]))
      w.write("plan.json", plan({ data: { ...data, train: "broken.jsonl" } }))
      return ["validate", "plan.json"]
    },
    says: [
      'broken.jsonl:1: no text field "document" (found: query)',
      'broken.jsonl:2: the text "query" is blank',
      'broken.jsonl:3: the text "document" is a number, expected a string'
    ]
  },
  {
    name: "a score that is no number",
    args: () => {
      w.write("broken.jsonl", jsonLines([{ text: "a", textPair: "b", score: "high" }]))
      w.write("plan.json", plan({ data: { format: "similarity", train: "broken.jsonl" } }))
      return ["validate", "plan.json"]
    },
    says: ['broken.jsonl:1: the score "score" is "high", expected a number']
  },
  {
    name: "sizes beyond the model's",
    args: () => {
      w.write("plan.json", plan({ loss: { matryoshka: [64, 8] } }))
      return ["validate", "plan.json"]
    },
    says: ["loss.matryoshka.0: found 64, but the model's vectors have 48 coordinates"]
  },
  {
    name: "nothing to train",
    args: () => {
      w.write("plan.json", plan({ adapter: { method: "none" } }))
      return ["validate", "plan.json"]
    },
    says: ['adapter.method: found "none", which trains only a head, for an embedding model, which has no head']
  },
  {
    name: "modules that are not supported",
    args: () =>
      withModules([module("Transformer"), module("Pooling", "1_Pooling"), module("Dense", "2_Dense")], {
        pooling_mode_max_tokens: true
      }),
    says: [
      "modules.json: has a module Dense, which is not supported",
      '1_Pooling/config.json: pools by max; "mean" and "cls" are supported'
    ]
  },
  {
    name: "labels asked of vectors",
    args: () => ["predict", "runs/pairs", "a text", ...onWasm],
    says: ["have no labels to predict: use embed"]
  },
  {
    name: "vectors asked of a classifier",
    args: () => {
      w.write("plan.json", tinyPlan("bert"))
      return ["embed", "bert/nowhere", "a text", ...onWasm]
    },
    says: ["bert/nowhere"]
  }
]
refuses("embedding", w, cases)

test("rows that repeat each other, and those that are in two splits, are told", async () => {
  appendFileSync(w.path("related.jsonl"), jsonLines([relatedRows(1)[0], relatedRows(1, 24)[0]]))
  w.write("plan.json", plan({ training: { steps: 1, accumulate: 2 } }))
  const { stdout } = await succeed(w.cli(["validate", "plan.json"]))
  expect(stdout).toContain("1 of 26 rows repeat the text of an earlier row")
  expect(stdout).toContain("1 of 12 rows have a text that is also in train")
  expect(stdout).toContain("training.accumulate 2: rows are contrasted only with those of their batch")
})
