/**
 * `export --format onnx` in transformers.js and onnxruntime: every kind of text run and every family of encoders, from the folder alone.
 *
 * What is expected is what `predict` and `embed` say of the same texts. Bounds: of float32 other orders of sums; of fp16 its 11 bits through
 * two layers; of q8 what bytes leave of numbers as large as these.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { AutoModel, AutoModelForSequenceClassification, AutoTokenizer, env, pipeline } from "@huggingface/transformers"
import {
  jsonLines,
  jsonObjects,
  labels,
  listing,
  onWasm,
  predicted,
  repository,
  run as runCommand,
  succeed,
  TIMEOUT,
  type TinyModel,
  tinyPlan,
  workspace
} from "./fixtures.ts"
import { pairRows, relatedRows, scoredRows, taggedRows, topicRows } from "./text-kinds.ts"

const w = workspace()
env.allowRemoteModels = false
env.localModelPath = `${w.directory}/`

const BOUNDS = { fp32: 1e-4, fp16: 1e-2, q8: 0.1 } as const
type Dtype = keyof typeof BOUNDS
const dtypes = Object.keys(BOUNDS) as ReadonlyArray<Dtype>
/** Of different lengths, so that a batch has padding. */
const texts = ["the film is good", "the plot was dull and the cast very bad", "film"]

const trained = async (name: string, sections: Record<string, unknown>, ...more: ReadonlyArray<string>) => {
  w.write(`${name}.json`, tinyPlan("bert", sections))
  await succeed(w.cli(["train", `${name}.json`, "--out", `runs/${name}`, ...onWasm]))
  return succeed(w.cli(["export", `runs/${name}`, "--format", "onnx", "--out", `out/${name}`, ...more, ...onWasm]))
}

interface Tensor {
  readonly dims: ReadonlyArray<number>
  readonly tolist: () => unknown
}

/** Outputs of the folder's model for texts together, as a batch with padding. */
const logitsOf = async (folder: string, asked: ReadonlyArray<string>, dtype: Dtype, pairs?: ReadonlyArray<string>) => {
  const tokenizer = await AutoTokenizer.from_pretrained(folder)
  const model = await AutoModelForSequenceClassification.from_pretrained(folder, { dtype })
  const batch = tokenizer([...asked], {
    padding: true,
    truncation: true,
    ...(pairs === undefined ? {} : { text_pair: [...pairs] })
  })
  const { logits } = (await model(batch)) as { readonly logits: Tensor }
  await model.dispose()
  return logits.tolist() as ReadonlyArray<ReadonlyArray<number>>
}

const furthest = (a: ReadonlyArray<ReadonlyArray<number>>, b: ReadonlyArray<ReadonlyArray<number>>): number => {
  expect(a.map((row) => row.length)).toEqual(b.map((row) => row.length))
  return Math.max(...a.flatMap((row, i) => row.map((value, j) => Math.abs(value - b[i]![j]!))))
}

beforeAll(() => {
  for (const model of ["bert", "minilm", "modernbert", "roberta", "distilbert"] as const) w.model(model)
})

const classifiers: ReadonlyArray<readonly [TinyModel, "mean" | "pooler"]> = [
  ["minilm", "mean"],
  ["bert", "pooler"],
  ["roberta", "pooler"],
  ["distilbert", "mean"],
  ["distilbert", "pooler"],
  ["modernbert", "mean"],
  ["modernbert", "pooler"]
]

describe.each(classifiers)("a classifier over %s, head over %s", (model, pooling) => {
  const name = `${model}-${pooling}`
  let expected: Awaited<ReturnType<typeof predicted>> = []
  beforeAll(async () => {
    await trained(name, { model: { source: model, task: { kind: "classification", pooling } } })
    expected = await predicted(w, `runs/${name}`, texts)
  }, TIMEOUT)

  test.each(dtypes)("has the run's logits in %s", async (dtype) => {
    const own = expected.map(({ logits }) => labels.map((label) => logits[label]!))
    expect(furthest(await logitsOf(`out/${name}`, texts, dtype), own)).toBeLessThan(BOUNDS[dtype])
    // alone, there is no padding and the batch is another size
    const [alone] = await logitsOf(`out/${name}`, [texts[1]!], dtype)
    expect(furthest([alone!], [own[1]!])).toBeLessThan(BOUNDS[dtype])
  })

  test("has a tokenizer that transformers reads as the run does, with the inputs of the graph", () => {
    const types = model === "roberta" ? ["token_type_ids"] : []
    expect(w.json(`out/${name}/tokenizer_config.json`)).toMatchObject({
      model_max_length: 16,
      pad_token: "[PAD]",
      ...(model === "bert" || model === "minilm"
        ? { tokenizer_class: "BertTokenizer", do_lower_case: true, strip_accents: null }
        : {
            tokenizer_class: "PreTrainedTokenizerFast",
            model_input_names: ["input_ids", ...types, "attention_mask"]
          })
    })
  })

  test("gives the run's labels and probabilities in the pipeline", async () => {
    const classify = await pipeline("text-classification", `out/${name}`, { dtype: "fp32" })
    const answers = await classify(texts)
    expect(answers.map((one) => (one as { readonly label: string }).label)).toEqual(expected.map(({ label }) => label))
  })
})

test(
  "a pair is a batch of two texts",
  async () => {
    w.write("pairs.jsonl", jsonLines(pairRows(24)))
    const data = {
      format: "classification",
      train: "pairs.jsonl",
      text: "premise",
      textPair: "hypothesis",
      maxLength: 16
    }
    await trained("pairs", { data })
    const rows = [
      { premise: texts[0], hypothesis: texts[1] },
      { premise: texts[2], hypothesis: texts[0] }
    ]
    const answers = await predicted(
      w,
      "runs/pairs",
      rows.map((row) => JSON.stringify(row))
    )
    const names = Object.keys(answers[0]!.logits)
    const own = answers.map(({ logits }) => names.map((label) => logits[label]!))
    const theirs = await logitsOf("out/pairs", [texts[0]!, texts[2]!], "fp32", [texts[1]!, texts[0]!])
    expect(Object.values(w.json("out/pairs/config.json")["id2label"] as object)).toEqual(names)
    expect(furthest(theirs, own)).toBeLessThan(BOUNDS.fp32)
    // and not what one text says
    expect(furthest(await logitsOf("out/pairs", [texts[0]!, texts[2]!], "fp32"), own)).toBeGreaterThan(1e-3)
  },
  TIMEOUT
)

test(
  "a regression says values in the data's units",
  async () => {
    w.write("scored.jsonl", jsonLines(scoredRows(24)))
    const data = { format: "regression", train: "scored.jsonl", target: ["stars", "words"], maxLength: 16 }
    await trained("scored", { data })
    const { stdout } = await succeed(w.cli(["predict", "runs/scored", ...texts, "--json", ...onWasm]))
    const own = jsonObjects(stdout).map(({ values }) => Object.values(values as Record<string, number>))
    const largest = Math.max(...own.flat().map(Math.abs))
    expect(furthest(await logitsOf("out/scored", texts, "fp32"), own) / largest).toBeLessThan(BOUNDS.fp32)
    expect(w.json("out/scored/config.json")).toMatchObject({ problem_type: "regression" })
  },
  TIMEOUT
)

test(
  "several labels have probabilities of their own in the pipeline",
  async () => {
    w.write("topics.jsonl", jsonLines(topicRows(24)))
    await trained("topics", { data: { format: "multi-label", train: "topics.jsonl", maxLength: 16 } })
    const { stdout } = await succeed(w.cli(["predict", "runs/topics", ...texts, "--json", ...onWasm]))
    const own = jsonObjects(stdout).map(({ probabilities }) => probabilities as Record<string, number>)
    const classify = await pipeline("text-classification", "out/topics", { dtype: "fp32" })
    for (const [i, text] of texts.entries()) {
      const scores = (await classify(text, { top_k: 10 })) as ReadonlyArray<{ label: string; score: number }>
      expect(scores.map(({ label }) => label).toSorted()).toEqual(Object.keys(own[i]!).toSorted())
      for (const { label, score } of scores) expect(Math.abs(score - own[i]![label]!)).toBeLessThan(BOUNDS.fp32)
    }
    expect(w.read("out/topics/README.md")).toContain("top_k: null")
  },
  TIMEOUT
)

test(
  "labels of words: the tokens of the pipeline have the labels of the run's spans",
  async () => {
    w.write("tagged.jsonl", jsonLines(taggedRows(24)))
    await trained("tagged", {
      model: { source: "bert", task: { kind: "token-classification" } },
      data: { format: "token-classification", train: "tagged.jsonl", maxLength: 16 },
      training: { steps: 100, batchSize: 8 }
    })
    const { stdout } = await succeed(w.cli(["predict", "runs/tagged", ...texts, "--json", ...onWasm]))
    const own = jsonObjects(stdout).map(({ spans }) => spans as ReadonlyArray<{ text: string; label: string }>)
    expect(own.flat().length).toBeGreaterThan(texts.length)
    const label = await pipeline("token-classification", "out/tagged", { dtype: "fp32" })
    for (const [i, text] of texts.entries()) {
      const tokens = await label(text)
      const starts = own[i]!.map((span) => ({ word: span.text.split(" ")[0]!, entity: `B-${span.label}` }))
      expect(
        tokens.map(({ word, entity }) => ({ word, entity })).filter((one) => one.entity?.startsWith("B-"))
      ).toEqual(starts)
      const groups = await label(text, { aggregation_strategy: "simple" })
      expect(groups.map(({ word, entity_group }) => [word, entity_group])).toEqual(
        own[i]!.map((span) => [span.text, span.label])
      )
    }
  },
  TIMEOUT
)

describe.each([
  ["minilm", { kind: "embedding", pooling: "mean", normalize: true }, { pooling: "mean", normalize: true }],
  ["roberta", { kind: "embedding", pooling: "cls", normalize: false }, { pooling: "cls", normalize: false }],
  // whose last hidden state has gone through a norm after the last block
  ["modernbert", { kind: "embedding", pooling: "mean", normalize: true }, { pooling: "mean", normalize: true }]
] as const)("vectors of %s, %j", (source, task, options) => {
  const name = `vectors-${source}`
  test(
    "are the run's from the pipeline, and from the graph",
    async () => {
      w.write("related.jsonl", jsonLines(relatedRows(24)))
      const data = { format: "embedding", train: "related.jsonl", anchor: "query", positive: "document", maxLength: 16 }
      await trained(name, { model: { source, task }, data, training: { steps: 4, batchSize: 8 } })
      const { stdout } = await succeed(w.cli(["embed", `runs/${name}`, ...texts, "--json", ...onWasm]))
      const own = jsonObjects(stdout).map(({ vector }) => vector as ReadonlyArray<number>)
      const embed = await pipeline("feature-extraction", `out/${name}`, { dtype: "fp32" })
      const theirs = (await embed(texts, options)).tolist() as ReadonlyArray<ReadonlyArray<number>>
      expect(furthest(theirs, own)).toBeLessThan(BOUNDS.fp32)
      const tokenizer = await AutoTokenizer.from_pretrained(`out/${name}`)
      const model = await AutoModel.from_pretrained(`out/${name}`, { dtype: "fp32" })
      const { sentence_embedding } = (await model(tokenizer(texts, { padding: true }))) as Record<string, Tensor>
      expect(furthest(sentence_embedding!.tolist() as typeof own, own)).toBeLessThan(BOUNDS.fp32)
      expect(w.read(`out/${name}/README.md`)).toContain(
        `{ pooling: "${options.pooling}", normalize: ${options.normalize} }`
      )
    },
    TIMEOUT
  )
})

test(
  "--dtype says which files, and nothing of the folder depends on the device's order of sums",
  async () => {
    await succeed(
      w.cli(["export", "runs/minilm-mean", "--format", "onnx", "--dtype", "q8", "--out", "out/q8", ...onWasm])
    )
    expect(listing(w.path("out/q8")).filter((name) => name.startsWith("onnx/"))).toEqual(["onnx/model_quantized.onnx"])
    expect(w.bytes("out/q8/onnx/model_quantized.onnx")).toEqual(w.bytes("out/minilm-mean/onnx/model_quantized.onnx"))
  },
  TIMEOUT
)

test(
  "Node reads the folder too",
  async () => {
    const script = `
      import { env, pipeline } from "@huggingface/transformers"
      env.allowRemoteModels = false
      env.localModelPath = ${JSON.stringify(`${w.directory}/`)}
      const classify = await pipeline("text-classification", "out/minilm-mean", { dtype: "fp32" })
      console.log(JSON.stringify(await classify(${JSON.stringify(texts)})))`
    const node = await succeed(runCommand(["node", "--input-type=module", "-e", script], { cwd: repository }))
    const answers = JSON.parse(node.stdout) as ReadonlyArray<{ readonly label: string }>
    const expected = await predicted(w, "runs/minilm-mean", texts)
    expect(answers.map(({ label }) => label)).toEqual(expected.map(({ label }) => label))
  },
  TIMEOUT
)
