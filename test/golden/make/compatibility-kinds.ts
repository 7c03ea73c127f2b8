/**
 * Makes `../compatibility-kinds`: a run of every kind, and an interrupted one of every optimizer and method, as a checkout wrote them.
 *
 *   bun test/golden/make/compatibility-kinds.ts CHECKOUT FOLDER
 *
 * FOLDER becomes a working directory in which the command line of CHECKOUT has trained, was interrupted, and has compared. All paths in it
 * are relative to it. The weights of the golden models are left out at the end: the test puts them there again.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as tf from "@tensorflow/tfjs"

const [checkout, folder] = process.argv.slice(2)
if (checkout === undefined || folder === undefined)
  throw new Error("bun test/golden/make/compatibility-kinds.ts CHECKOUT FOLDER")
mkdirSync(folder, { recursive: true })
const { drawn, drawnClasses } = await import(join(checkout, "test", "images.ts"))

const at = (name: string) => join(folder, name)
const write = (name: string, content: unknown) => {
  mkdirSync(dirname(at(name)), { recursive: true })
  const text = typeof content === "string" ? content : `${JSON.stringify(content, null, 2)}\n`
  writeFileSync(at(name), content instanceof Uint8Array ? content : text)
}
const jsonLines = (rows: ReadonlyArray<unknown>) => `${rows.map((row) => JSON.stringify(row)).join("\n")}\n`
const objectsIn = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
const sha256 = (name: string) => new Bun.CryptoHasher("sha256").update(readFileSync(at(name))).digest("hex")

const cli = [process.execPath, join(checkout, "src", "bin", "tfjs-lora-pro.ts")]
const onWasm = ["--device", "wasm", "--threads", "1"]
const onCpu = ["--device", "cpu"]

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

// models: golden ones with tokenizers of whole words, and a small network of tf.layers

const qualities = { bad: ["bad", "dull", "weak"], fair: ["fair", "plain", "mild"], good: ["good", "great", "fine"] }
const subjects = ["film", "plot", "cast", "music"]
const colours = { grass: "green", snow: "white", coal: "black", blood: "red", sky: "blue", sun: "yellow" }
const words = [
  ...new Set([
    ..."the is was very and what colour of ? .".split(" "),
    ...subjects,
    ...Object.values(qualities).flat(),
    ...Object.entries(colours).flat()
  ])
]

/** `single`, `pair`: the parts of a template, names of tokens and A and B. */
const tokenizer = (special: ReadonlyArray<string>, single: ReadonlyArray<string>, pair: ReadonlyArray<string>) => {
  const vocab = Object.fromEntries([...special, ...words].map((word, id) => [word, id]))
  const part = (id: string, type_id: number) =>
    id === "A" || id === "B" ? { Sequence: { id, type_id } } : { SpecialToken: { id, type_id } }
  const used = [...new Set([...single, ...pair])].filter((id) => special.includes(id))
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
      single: single.map((id) => part(id, 0)),
      pair: pair.map((id, i) => part(id, i > pair.indexOf("A") + 1 ? 1 : 0)),
      special_tokens: Object.fromEntries(used.map((id) => [id, { id, ids: [vocab[id]], tokens: [id] }]))
    },
    decoder: null,
    model: { type: "WordLevel", vocab, unk_token: special.find((token) => token.toLowerCase().includes("unk")) }
  }
}

const models = ["bert", "minilm", "llama-tied", "t5", "vit"]
for (const name of models)
  for (const file of ["config.json", "model.safetensors"]) {
    mkdirSync(at(name), { recursive: true })
    cpSync(join(checkout, "test", "golden", "models", name, file), at(`${name}/${file}`))
  }
const marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
const text = { tokenizer_class: "PreTrainedTokenizerFast" }
for (const name of ["bert", "minilm"]) {
  write(
    `${name}/tokenizer.json`,
    tokenizer(marks, ["[CLS]", "A", "[SEP]"], ["[CLS]", "A", "[SEP]", "B", "[SEP]"])
  )
  write(`${name}/tokenizer_config.json`, { ...text, unk_token: "[UNK]", pad_token: "[PAD]" })
}
write("llama-tied/tokenizer.json", tokenizer(["<pad>", "<s>", "</s>", "<unk>", "<user>", "<assistant>"], ["<s>", "A"], ["<s>", "A", "B"]))
write("llama-tied/tokenizer_config.json", {
  ...text,
  bos_token: "<s>",
  eos_token: "</s>",
  unk_token: "<unk>",
  pad_token: "<pad>",
  chat_template:
    "{{ bos_token }}{% for message in messages %}<{{ message.role }}> {{ message.content }} {{ eos_token }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
})
write("t5/tokenizer.json", tokenizer(["<pad>", "</s>", "<unk>"], ["A", "</s>"], ["A", "</s>", "B", "</s>"]))
write("t5/tokenizer_config.json", { ...text, eos_token: "</s>", unk_token: "<unk>", pad_token: "<pad>" })
write("vit/preprocessor_config.json", {
  image_processor_type: "ViTImageProcessor",
  do_resize: true,
  size: { height: 16, width: 16 },
  resample: 2,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5]
})

await tf.setBackend("cpu")
const started = (seed: number) => ({ kernelInitializer: tf.initializers.heNormal({ seed }) })
const network = tf.sequential({
  name: "coloured",
  layers: [
    tf.layers.conv2d({
      name: "conv",
      inputShape: [8, 8, 3],
      filters: 3,
      kernelSize: 3,
      strides: 2,
      activation: "relu",
      ...started(1)
    }),
    tf.layers.flatten({ name: "flat" }),
    tf.layers.dense({ name: "hidden", units: 8, activation: "relu", ...started(2) }),
    tf.layers.dense({ name: "scores", units: 3, activation: "softmax", ...started(3) })
  ]
})
await network.save(
  tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
    const weightsManifest = [{ paths: ["weights.bin"], weights: weightSpecs }]
    write("coloured/model.json", { format: "layers-model", modelTopology, weightsManifest })
    write("coloured/weights.bin", new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData as ArrayBuffer)))
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
const scored = (i: number) => ({ text: review(i).text, stars: 1 + 2 * (i % 3) + ((i * 7) % 10) / 10, words: i % 4 })
const topics = (i: number) => ({
  text: review(i).text,
  labels: [...(i % 3 === 2 ? ["praise"] : []), ...(i % 4 > 1 ? ["craft"] : [])]
})
const both = (i: number) => ({
  text: review(i).text,
  textPair: review(i % 2 === 0 ? i + 3 : i + 1).text,
  label: i % 2 === 0 ? "same" : "other",
  score: i % 2 === 0 ? 1 : (i % 5) / 10
})
const asked = (i: number) => {
  const [thing, colour] = Object.entries(colours)[i % 6]!
  const wrong = Object.values(colours)[(i + 1) % 6]!
  const question = `what colour is the ${thing} ?`
  const answer = `the ${thing} ${i % 2 === 0 ? "is" : "was"} ${colour} .`
  return { question, answer, worse: answer.replace(colour, wrong) }
}
const said = (question: string, content: string) => [
  { role: "user", content: question },
  { role: "assistant", content }
]
const related = (i: number) => ({ anchor: review(i).text, positive: `${asked(i).answer} ${review(i + 3).text}` })
const chats = (i: number) => ({ messages: said(asked(i).question, asked(i).answer) })
const better = (i: number) => ({
  chosen: said(asked(i).question, asked(i).answer),
  rejected: said(asked(i).question, asked(i).worse)
})
const written = (i: number) => ({ source: review(i).text, target: review(i).label === "bad" ? "bad" : "good" })

const splits = { train: [16, 0], validation: [7, 16], test: [6, 23] } as const
for (const [name, row] of Object.entries({ scored, topics, both, related, chats, better, written }))
  for (const [split, [count, offset]] of Object.entries(splits))
    write(`rows/${name}-${split}.jsonl`, jsonLines(Array.from({ length: count }, (_, i) => row(offset + i))))
for (const [i, name] of drawnClasses.entries()) {
  for (let n = 0; n < 5; n++) write(`photos/train/${name}/${n}.png`, drawn(name, 10 * i + n, 8))
  for (let n = 0; n < 2; n++) write(`photos/validation/${name}/${n}.png`, drawn(name, 100 + 10 * i + n, 8))
}
const files = (name: string) =>
  Object.fromEntries(Object.keys(splits).map((split) => [split, `rows/${name}-${split}.jsonl`]))
const photos = { train: "photos/train", validation: "photos/validation" }

// a run of every kind

interface Kind {
  readonly model: object
  readonly data: object
  readonly more?: object
  readonly targets: ReadonlyArray<string>
  /** the command that asks its runs, and what */
  readonly ask: ReadonlyArray<string>
}
const encoder = ["encoder.layer.0.attention.self.query"]
const decoder = ["model.layers.0.self_attn.q_proj"]
const greedy = ["--temperature", "0", "--max-tokens", "4"]
const kinds: Record<string, Kind> = {
  regression: {
    model: { source: "bert", task: { kind: "regression", pooling: "pooler" } },
    data: { format: "regression", ...files("scored"), target: ["stars", "words"], maxLength: 12 },
    targets: encoder,
    ask: ["predict", "the film is very good"]
  },
  "multi-label": {
    model: { source: "bert", task: { kind: "multi-label", pooling: "pooler" } },
    data: { format: "multi-label", ...files("topics"), maxLength: 12 },
    targets: encoder,
    ask: ["predict", "the film is very good"]
  },
  pairs: {
    model: { source: "bert" },
    data: { format: "classification", ...files("both"), textPair: "textPair", maxLength: 20 },
    targets: encoder,
    ask: ["predict", JSON.stringify({ text: "the film is good", textPair: "the film was great" })]
  },
  embedding: {
    model: { source: "minilm" },
    data: { format: "embedding", ...files("related"), maxLength: 20 },
    targets: encoder,
    ask: ["embed", "the film is very good"]
  },
  similarity: {
    model: { source: "minilm" },
    data: { format: "similarity", ...files("both"), maxLength: 20 },
    more: { loss: { kind: "cosent" } },
    targets: encoder,
    ask: ["embed", "the film is very good"]
  },
  chat: {
    model: { source: "llama-tied" },
    data: { format: "chat", ...files("chats"), maxLength: 24 },
    targets: decoder,
    ask: ["generate", "what colour is the sky ?", ...greedy]
  },
  preference: {
    model: { source: "llama-tied" },
    data: { format: "preference", ...files("better"), maxLength: 24 },
    more: { loss: { kind: "dpo", beta: 0.2, labelSmoothing: 0.1 } },
    targets: decoder,
    ask: ["generate", "what colour is the sky ?", ...greedy]
  },
  orpo: {
    model: { source: "llama-tied" },
    data: { format: "preference", ...files("better"), maxLength: 24 },
    more: { loss: { kind: "orpo" } },
    targets: decoder,
    ask: ["generate", "what colour is the sky ?", ...greedy]
  },
  seq2seq: {
    model: { source: "t5" },
    data: { format: "seq2seq", ...files("written"), maxLength: 12, maxTargetLength: 4 },
    targets: ["encoder.block.0.layer.0.SelfAttention.q"],
    ask: ["generate", "the film is very good", ...greedy]
  },
  images: {
    model: { source: "vit" },
    data: { format: "images", ...photos, augment: { flip: true } },
    targets: ["layers.0.attention.q_proj"],
    ask: ["predict", "photos/validation/ring/0.png"]
  },
  "image-arrays": {
    model: { source: "coloured/model.json", head: ["scores"] },
    data: { format: "image-arrays", ...photos },
    targets: ["hidden"],
    ask: ["predict", "photos/validation/ring/0.png"]
  }
}

const plan = (kind: string, sections: Record<string, unknown> = {}) => {
  const { model, data, more, targets } = kinds[kind]!
  return {
    seed: 1,
    model,
    data,
    ...more,
    adapter: { method: "lora", rank: 2, alpha: 4, targets },
    optimizer: { kind: "lora-pro", learningRate: 1e-2 },
    training: { steps: 4, batchSize: 4, evaluateEvery: 2 },
    ...sections
  }
}

/** Σx and Σx² over all numbers of a file of weights: what does not change with the last bits of a sum. */
const sumsOf = async (name: string) => {
  const { readTensors } = await import(join(checkout, "src", "safetensors", "index.ts"))
  const { platform } = await import(join(checkout, "src", "platform.ts"))
  const Effect = await import("effect/Effect")
  const tensors = (await Effect.runPromise(readTensors(at(name)).pipe(Effect.provide(platform)))) as ReadonlyMap<
    string,
    { readonly data: Float32Array }
  >
  let [sum, squares] = [0, 0]
  for (const { data } of tensors.values())
    for (const value of data) {
      sum += value
      squares += value * value
    }
  return { tensors: tensors.size, sum, squares }
}

const finished: Array<object> = []
const train = async (run: string, kind: string, sections: Record<string, unknown> = {}) => {
  write(`${run}.json`, plan(kind, sections))
  call("train", `${run}.json`, "--out", run, ...onWasm)
  const evaluation = objectsIn(call("evaluate", run, "--json", ...onWasm))
  const [command, given, ...more] = kinds[kind]!.ask as [string, string]
  const answers = objectsIn(call(command, run, given, ...more, "--json", ...onWasm))
  call("merge", run, "--out", "merged", ...onWasm)
  const file = readdirSync(at("merged")).find((one) => one === "model.safetensors")
  const merged = file === undefined ? null : await sumsOf(`merged/${file}`)
  rmSync(at("merged"), { recursive: true })
  finished.push({ run, kind, ask: kinds[kind]!.ask, answers, evaluation, merged })
}

for (const kind of Object.keys(kinds)) await train(kind, kind)
const targets = encoder
const adamw = { kind: "adamw", learningRate: 1e-2 }
await train("vera", "pairs", { adapter: { method: "vera", rank: 4, targets }, optimizer: adamw })
await train("head-alone", "pairs", { adapter: { method: "none" }, optimizer: adamw })
await train("pissa", "regression", {
  adapter: { method: "lora", rank: 2, alpha: 2, init: { kind: "pissa" }, targets }
})

// an interrupted run of every optimizer, over every method and kind that has a state of its own, and what a copy of it becomes

const STEPS = 40
const lora = (kind: string) => ({ method: "lora", rank: 2, alpha: 4, targets: kinds[kind]!.targets })
const states: ReadonlyArray<readonly [kind: string, optimizer: object, adapter?: object]> = [
  ["regression", { kind: "adamw" }, { method: "adalora", rank: 2, targets }],
  ["multi-label", { kind: "altlora" }],
  ["pairs", { kind: "altlora-plus" }],
  ["pairs", { kind: "lion", learningRate: 1e-3 }, { method: "vera", rank: 4, targets }],
  ["embedding", { kind: "lora-muon" }],
  ["similarity", { kind: "lora-tsd", learningRate: 1e-3 }],
  ["preference", { kind: "lora-plus" }, { method: "dora", rank: 2, alpha: 4, targets: decoder }],
  ["chat", { kind: "lora-pre" }],
  ["seq2seq", { kind: "lora-pro" }],
  ["images", { kind: "lora-rite" }],
  ["regression", { kind: "reflora" }],
  ["image-arrays", { kind: "riemannian" }],
  ["image-arrays", { kind: "lora-pro" }],
  ["image-arrays", { kind: "sgd", momentum: 0.9 }, { method: "full", targets: ["hidden"] }]
]
const interrupted: Array<object> = []
/** The losses and the adapter that a copy of a run ends with. */
const resumed = (run: string, device: ReadonlyArray<string>) => {
  cpSync(at(run), at("resumed"), { recursive: true })
  call("train", "--resume", "resumed", ...device)
  const steps = objectsIn(readFileSync(at("resumed/metrics.jsonl"), "utf8")).filter((line) => line.kind === "step")
  const adapter = sha256("resumed/adapter/adapter_model.safetensors")
  rmSync(at("resumed"), { recursive: true })
  return { losses: steps.map(({ loss }) => loss as number), adapter }
}
for (const [kind, optimizer, adapter = lora(kind)] of states) {
  const of = optimizer as { readonly kind: string }
  const run = `interrupted-${kind}-${of.kind}`
  write(
    `${run}.json`,
    plan(kind, {
      adapter,
      optimizer: { learningRate: 5e-3, ...optimizer },
      training: { steps: STEPS, batchSize: 4, evaluateEvery: 6 },
      output: { checkpointEvery: 5, keepCheckpoints: 1 }
    })
  )
  await interrupt("after step 6:", "train", `${run}.json`, "--out", run, ...onWasm)
  const { losses, adapter: bits } = resumed(run, onWasm)
  // on the cpu tfjs's own ops compute, in JavaScript: the same bits in every version, where no kernel of this program's own is used
  const reference = kind === "image-arrays" ? { reference: resumed(run, onCpu).adapter } : {}
  interrupted.push({ run, steps: STEPS, losses, adapter: bits, ...reference })
}

// studies

write("study.json", plan("pairs"))
const study = ["--methods", "lora,lora-pro", "--learning-rates", "0.01", "--seeds", "1", "--fresh-seeds", "2"]
const compare = ["compare", "study.json", ...study, ...onWasm]
call(...compare, "--out", "study")
await interrupt("[2/", ...compare, "--out", "unfinished-study")

// what is not read again: pages, cards, the checkpoints of finished runs, and weights that are beside it in the repository
for (const name of models) rmSync(at(`${name}/model.safetensors`))
for (const file of readdirSync(folder, { recursive: true }) as Array<string>) {
  if (/(^|\/)((report|compare)\.(html|md)|README\.md|pictures\.json)$/.test(file)) rmSync(at(file))
  if (file.endsWith("/run.json")) rmSync(at(`${dirname(file)}/checkpoints`), { recursive: true, force: true })
}
write("expected.json", { finished, interrupted, compare: study })
