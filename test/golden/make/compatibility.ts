/**
 * Makes `../compatibility`: what a checkout of this repository writes, for later ones to read.
 *
 *   bun test/golden/make/compatibility.ts CHECKOUT FOLDER
 *
 * FOLDER becomes a working directory in which the command line of CHECKOUT has trained, was interrupted, and has compared. All paths
 * in it are relative to it. The weights of the two golden models are left out at the end: the test puts them there again.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as tf from "@tensorflow/tfjs"

const [checkout, folder] = process.argv.slice(2)
if (checkout === undefined || folder === undefined)
  throw new Error("bun test/golden/make/compatibility.ts CHECKOUT FOLDER")
mkdirSync(folder, { recursive: true })

const at = (name: string) => join(folder, name)
const write = (name: string, content: unknown) => {
  mkdirSync(dirname(at(name)), { recursive: true })
  writeFileSync(at(name), typeof content === "string" ? content : `${JSON.stringify(content, null, 2)}\n`)
}
const jsonLines = (rows: ReadonlyArray<unknown>) => `${rows.map((row) => JSON.stringify(row)).join("\n")}\n`
const sha256 = (name: string) => new Bun.CryptoHasher("sha256").update(readFileSync(at(name))).digest("hex")

const cli = [process.execPath, join(checkout, "src", "bin", "tfjs-lora-pro.ts")]
const onWasm = ["--device", "wasm", "--threads", "1"]

/** Runs the old command line to its end; what it printed. */
const call = (...args: ReadonlyArray<string>): string => {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...cli, ...args], { cwd: folder, stderr: "pipe" })
  if (exitCode !== 0) throw new Error(`${args.join(" ")}: exit ${exitCode}\n${stderr}`)
  return stdout.toString()
}

/** Starts the old command line, and sends it SIGINT once stderr has said this. */
const interrupt = async (said: string, ...args: ReadonlyArray<string>) => {
  const child = Bun.spawn([...cli, ...args], { cwd: folder, stdout: "ignore", stderr: "pipe" })
  const decoder = new TextDecoder()
  let text = ""
  for await (const bytes of child.stderr) {
    const before = text.includes(said)
    text += decoder.decode(bytes, { stream: true })
    if (!before && text.includes(said)) child.kill("SIGINT")
  }
  if ((await child.exited) !== 130) throw new Error(`${args.join(" ")} was not interrupted:\n${text}`)
}

// models: a golden encoder and decoder with tokenizers of whole words, and a small network of tf.layers

const qualities = { bad: ["bad", "dull", "weak"], fair: ["fair", "plain", "mild"], good: ["good", "great", "fine"] }
const subjects = ["film", "plot", "cast", "music"]
const colours = { grass: "green", snow: "white", coal: "black", blood: "red", sky: "blue", sun: "yellow" }

const tokenizer = (special: ReadonlyArray<string>, first: string, last: string | undefined) => {
  const words = ["the", "is", "was", "very", "and", "what", "colour", "of", "?", "."]
  const all = [...special, ...words, ...subjects, ...Object.values(qualities).flat(), ...Object.entries(colours).flat()]
  const vocab = Object.fromEntries([...new Set(all)].map((word, id) => [word, id]))
  const single = [{ SpecialToken: { id: first, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }]
  const end = last === undefined ? [] : [{ SpecialToken: { id: last, type_id: 0 } }]
  const used = last === undefined ? [first] : [first, last]
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true
    })),
    normalizer: null,
    pre_tokenizer: { type: "Whitespace" },
    post_processor: {
      type: "TemplateProcessing",
      single: [...single, ...end],
      pair: [...single, ...end, { Sequence: { id: "B", type_id: 1 } }, ...end],
      special_tokens: Object.fromEntries(used.map((id) => [id, { id, ids: [vocab[id]], tokens: [id] }]))
    },
    decoder: null,
    model: { type: "WordLevel", vocab, unk_token: special.find((token) => token.toLowerCase().includes("unk")) }
  }
}

const golden = (name: string) => {
  const from = join(checkout, "test", "golden", "models", name)
  mkdirSync(at(name), { recursive: true })
  for (const file of ["config.json", "model.safetensors"]) cpSync(join(from, file), at(`${name}/${file}`))
}
golden("bert")
write("bert/tokenizer.json", tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]"], "[CLS]", "[SEP]"))
write("bert/tokenizer_config.json", {
  tokenizer_class: "PreTrainedTokenizerFast",
  unk_token: "[UNK]",
  pad_token: "[PAD]"
})
golden("llama-tied")
write("llama-tied/tokenizer.json", tokenizer(["<pad>", "<s>", "</s>", "<unk>"], "<s>", undefined))
write("llama-tied/tokenizer_config.json", {
  tokenizer_class: "PreTrainedTokenizerFast",
  bos_token: "<s>",
  eos_token: "</s>",
  unk_token: "<unk>",
  pad_token: "<pad>"
})

await tf.setBackend("cpu")
const started = (seed: number) => ({ kernelInitializer: tf.initializers.heNormal({ seed }) })
const network = tf.sequential({
  name: "pictures",
  layers: [
    tf.layers.conv2d({
      name: "conv",
      inputShape: [6, 6, 1],
      filters: 4,
      kernelSize: 3,
      activation: "relu",
      ...started(1)
    }),
    tf.layers.flatten({ name: "flat" }),
    tf.layers.dense({ name: "hidden", units: 12, activation: "relu", ...started(2) }),
    tf.layers.dense({ name: "scores", units: 3, activation: "softmax", ...started(3) })
  ]
})
await network.save(
  tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
    const weightsManifest = [{ paths: ["weights.bin"], weights: weightSpecs }]
    write("pictures/model.json", { format: "layers-model", modelTopology, weightsManifest })
    writeFileSync(
      at("pictures/weights.bin"),
      new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData as ArrayBuffer))
    )
    return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } }
  })
)

// rows

const labels = Object.keys(qualities) as ReadonlyArray<keyof typeof qualities>
const review = (i: number) => {
  const label = labels[i % 3]!
  const word = qualities[label][(i >> 1) % 3]!
  return { text: `the ${subjects[i % 4]} ${i % 2 === 0 ? "is" : "was"} ${i % 5 === 0 ? "very " : ""}${word}`, label }
}
const answer = (i: number) => {
  const [thing, colour] = Object.entries(colours)[i % 6]!
  return {
    prompt: `what colour is the ${thing} ?`,
    completion: ` the ${thing} ${i % 2 === 0 ? "is" : "was"} ${colour} .`
  }
}
const picture = (i: number) => ({
  pixels: Array.from({ length: 6 }, (_, y) =>
    Array.from({ length: 6 }, (_, x) => [20, 200, y % 2 === 0 ? 20 : 200][i % 3]! + ((i * 31 + y * 17 + x * 7) % 40))
  ),
  kind: ["dark", "light", "striped"][i % 3]
})
const splits = { train: [24, 0], validation: [9, 24], test: [9, 33] } as const
for (const [name, row] of Object.entries({ reviews: review, answers: answer, pictures: picture }))
  for (const [split, [count, offset]] of Object.entries(splits))
    write(`${name}/${split}.jsonl`, jsonLines(Array.from({ length: count }, (_, i) => row(offset + i))))

const rows = (name: string) => ({
  train: `${name}/train.jsonl`,
  validation: `${name}/validation.jsonl`,
  test: `${name}/test.jsonl`
})

// plans and runs

const kinds = {
  text: {
    model: { source: "bert" },
    data: { format: "classification", ...rows("reviews"), maxLength: 12 }
  },
  causal: {
    model: { source: "llama-tied" },
    data: { format: "completion", ...rows("answers"), maxLength: 16 }
  },
  arrays: {
    model: { source: "pictures/model.json", head: ["scores"] },
    data: { format: "arrays", ...rows("pictures"), input: "pixels", label: "kind", scale: 1 / 255 }
  }
} as const
type Kind = keyof typeof kinds

const plan = (kind: Kind, sections: Record<string, unknown> = {}) => ({
  seed: 1,
  ...kinds[kind],
  adapter: { method: "lora", rank: 2, alpha: 4 },
  optimizer: { kind: "lora-pro", learningRate: 1e-2 },
  training: { steps: 6, batchSize: 4, evaluateEvery: 3 },
  ...sections
})

const lastOf = (text: string): unknown => JSON.parse(text.trim().split("\n").at(-1)!)
const adapterOf = (run: string) => sha256(`${run}/adapter/adapter_model.safetensors`)

/** The old command line's words about a run: its evaluation, and what it makes of one row. */
const saidOf = (run: string, kind: Kind) => {
  const [command, given] = {
    text: ["predict", review(33).text],
    arrays: ["predict", JSON.stringify(picture(33).pixels)],
    causal: ["generate", answer(33).prompt]
  }[kind] as [string, string]
  const greedy = kind === "causal" ? ["--temperature", "0", "--max-tokens", "5"] : []
  const evaluation = call("evaluate", run, "--json", ...onWasm)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
  return { command, given, greedy, said: lastOf(call(command, run, given, ...greedy, "--json", ...onWasm)), evaluation }
}

const train = (run: string, kind: Kind, sections: Record<string, unknown> = {}) => {
  write(`${run}.json`, plan(kind, sections))
  call("train", `${run}.json`, "--out", run, ...onWasm)
  const said = saidOf(run, kind)
  call("merge", run, "--out", "merged", ...onWasm)
  const weights = readdirSync(at("merged")).find((file) => /^(model.safetensors|.*\.bin)$/.test(file))!
  const merged = { file: weights, sha256: sha256(`merged/${weights}`) }
  rmSync(at("merged"), { recursive: true })
  return { run, kind, ...said, merged }
}

const lora = (method: string, more = {}) => ({
  adapter: { method, rank: 2, alpha: 4, ...more },
  optimizer: { kind: "adamw", learningRate: 1e-2 }
})

const finished = [
  train("text", "text"),
  train("causal", "causal"),
  train("arrays", "arrays"),
  train("dora", "text", lora("dora")),
  train("adalora", "text", lora("adalora")),
  train("full", "arrays", { adapter: { method: "full" }, optimizer: { kind: "adamw", learningRate: 1e-3 } })
]

// an adapter of a program's own, over the network as tfjs has it

const { adapt } = await import(join(checkout, "src", "layers-model", "index.ts"))
const adapted = await adapt(network, {
  method: "dora",
  rank: 2,
  alpha: 4,
  targets: ["conv", "hidden"],
  head: ["scores"]
})
const pictures = Array.from({ length: 24 }, (_, i) => picture(i))
const x = tf.tensor4d(
  pictures.flatMap(({ pixels }) => pixels.flat().map((grey) => grey / 255)),
  [24, 6, 6, 1]
)
const y = tf.oneHot(
  tf.tensor1d(
    pictures.map((_, i) => i % 3),
    "int32"
  ),
  3
)
network.compile({ optimizer: "sgd", loss: "categoricalCrossentropy" })
await adapted.fit(x, y, { epochs: 3, batchSize: 8 })
await adapted.save(at("layers-adapter"))
const scores = adapted.predict(x) as tf.Tensor
const layersAdapter = { folder: "layers-adapter", scores: [...(await scores.data())] }

// interrupted, and what a copy of it becomes

const STEPS = 60
const interrupted: Array<object> = []
for (const kind of ["text", "causal", "arrays"] as const) {
  const run = `interrupted-${kind}`
  write(
    `${run}.json`,
    plan(kind, {
      adapter: { method: "lora", rank: 2, alpha: 4, ...(kind === "arrays" ? {} : { dropout: 0.1 }) },
      training: { steps: STEPS, batchSize: 4, accumulate: 2, evaluateEvery: 6 },
      output: { checkpointEvery: 5, keep: 1 }
    })
  )
  await interrupt("after step 6:", "train", `${run}.json`, "--out", run, ...onWasm)
  cpSync(at(run), at("resumed"), { recursive: true })
  call("train", "--resume", "resumed", ...onWasm)
  interrupted.push({ run, steps: STEPS, adapter: adapterOf("resumed") })
  rmSync(at("resumed"), { recursive: true })
}

// studies

write("study.json", plan("text", { training: { steps: 4, batchSize: 4 } }))
const asked = ["--methods", "lora,lora-pro", "--learning-rates", "0.01", "--seeds", "1", "--fresh-seeds", "2"]
const compare = ["compare", "study.json", ...asked, ...onWasm]
call(...compare, "--out", "study")
await interrupt("[2/", ...compare, "--out", "unfinished-study")

// what is not read again: pages, the checkpoints of finished runs, and weights that are beside it in the repository
for (const name of ["bert", "llama-tied"]) rmSync(at(`${name}/model.safetensors`))
for (const file of readdirSync(folder, { recursive: true }) as Array<string>) {
  if (/(^|\/)(report|compare)\.(html|md)$/.test(file)) rmSync(at(file))
  if (file.endsWith("/run.json")) rmSync(at(`${dirname(file)}/checkpoints`), { recursive: true, force: true })
}
write("expected.json", { finished, layersAdapter, interrupted, compare: asked })
