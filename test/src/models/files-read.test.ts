/** The list of a model's files and its readers say the same: what is opened to describe and load a model is in the list. */
import { expect, test } from "bun:test"
import { cpSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Device } from "../../../src/device/index.ts"
import { openCausalModel } from "../../../src/models/causal/index.ts"
import { describeLayersClassifier, load, loadLayersClassifier, modelFiles } from "../../../src/models/index.ts"
import { platform } from "../../../src/platform.ts"
import { gguf } from "../../e2e/causal-gguf.ts"
import { decoder, tokenizerConfig } from "../../e2e/causal-workspace.ts"
import { repository, workspace } from "../../e2e/fixtures.ts"

const w = workspace()

/** The files that are opened. */
const opened = new Set<string>()
const watched = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(FileSystem.FileSystem, (fs): FileSystem.FileSystem => {
    const seen = (file: string) => Effect.sync(() => void opened.add(file))
    return {
      ...fs,
      open: (file, options) => Effect.andThen(seen(file), fs.open(file, options)),
      readFile: (file) => Effect.andThen(seen(file), fs.readFile(file)),
      readFileString: (file, encoding) => Effect.andThen(seen(file), fs.readFileString(file, encoding)),
      stream: (file, options) => Stream.unwrap(Effect.as(seen(file), fs.stream(file, options)))
    }
  })
).pipe(Layer.provideMerge(platform))

const inFolder = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
const arrays = "pictures/model.json"

const models: ReadonlyArray<readonly [what: string, source: string, read: ReadonlyArray<string>]> = [
  ["an encoder", "bert", inFolder],
  ["a decoder", "llama-tied", ["chat_template.jinja", ...inFolder, "generation_config.json"]],
  ["a GGUF file", "llama.gguf", ["llama.gguf"]],
  ["a LayersModel", arrays, ["model.json", "weights.bin"]]
]

const loading = (source: string) => {
  if (source === "bert") return load({ source: w.path(source), task: "classification", labels: ["a", "b"] })
  if (source !== arrays) return openCausalModel(w.path(source))
  return Effect.flatMap(describeLayersClassifier(w.path(source), { head: [] }), (described) =>
    loadLayersClassifier(described, 0)
  )
}

test.each(models)("%s", async (_, source, read) => {
  w.model("bert")
  w.write("bert/tokenizer_config.json", { pad_token: "[PAD]" })
  decoder(w, "llama-tied")
  gguf(w, "llama")
  cpSync(join(repository, "test", "golden", "compatibility", "pictures"), w.path("pictures"), { recursive: true })
  const beside = { "generation_config.json": { eos_token_id: 2 }, "chat_template.jinja": tokenizerConfig.chat_template }
  for (const [name, content] of Object.entries(beside)) w.write(`llama-tied/${name}`, content)
  // nothing reads these
  for (const name of ["special_tokens_map.json", "vocab.txt"]) w.write(`bert/${name}`, "{}")
  opened.clear()
  const listed = await Effect.runPromise(
    Effect.gen(function* () {
      yield* loading(source)
      return yield* modelFiles(w.path(source))
    }).pipe(Effect.scoped, Effect.provide(Device.layer("wasm", { threads: 1 })), Effect.provide(watched))
  )
  const home = /\.json$|\.gguf$/.test(source) ? dirname(w.path(source)) : w.path(source)
  expect([...opened].map((file) => relative(home, file)).sort()).toEqual([...read].sort())
  expect(read.filter((name) => !listed.some((file) => file.name === name))).toEqual([])
})

test("of a folder in shards the index is a part, and a file that would be read in their place is looked for", async () => {
  w.model("bert", "sharded")
  const whole = w.bytes("sharded/model.safetensors")
  writeFileSync(w.path("sharded/model-00001-of-00001.safetensors"), whole)
  rmSync(w.path("sharded/model.safetensors"))
  const length = Number(new DataView(whole.buffer, whole.byteOffset).getBigUint64(0, true))
  const header: object = JSON.parse(new TextDecoder().decode(whole.subarray(8, 8 + length)))
  const names = Object.keys(header).filter((name) => name !== "__metadata__")
  const weightMap = Object.fromEntries(names.map((name) => [name, "model-00001-of-00001.safetensors"]))
  w.write("sharded/model.safetensors.index.json", { weight_map: weightMap })
  const files = await Effect.runPromise(modelFiles(w.path("sharded")).pipe(Effect.provide(platform)))
  expect(files.filter(({ holdsWeights }) => holdsWeights).map(({ name }) => name)).toEqual([
    "model.safetensors",
    "model-00001-of-00001.safetensors"
  ])
  expect(files.map(({ name }) => name)).toContain("model.safetensors.index.json")
})
