/** The files of a run by content: hashed once for as long as they do not change, and only where they are files. */
import { expect, test } from "bun:test"
import { cpSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { Sources } from "../../../src/hub/index.ts"
import { inputDifferences, modelInputs, recordOf, sha256Of } from "../../../src/output/inputs.ts"
import { platform } from "../../../src/platform.ts"
import { repository, workspace } from "../../e2e/fixtures.ts"

const w = workspace()

/** How many files were read from their beginning to their end. */
let streamed = 0
const counting = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(
    FileSystem.FileSystem,
    (fs): FileSystem.FileSystem => ({
      ...fs,
      stream: (file, options) => {
        streamed++
        return fs.stream(file, options)
      }
    })
  )
).pipe(Layer.provideMerge(platform))

const run = <A, E>(effect: Effect.Effect<A, E, Sources>) => Effect.runPromise(Effect.provide(effect, counting))
const every = () => true

test("a file is hashed once, and again when it has changed", async () => {
  w.model("bert")
  const first = await run(modelInputs(w.path("bert")))
  expect(first.map(({ name, sha256 }) => [name, sha256 === null])).toEqual([
    ["model/config.json", false],
    ["model/tokenizer.json", false],
    ["model/tokenizer_config.json", true],
    ["model/chat_template.jinja", true],
    ["model/preprocessor_config.json", true],
    ["model/generation_config.json", true],
    ["model/model.safetensors", false]
  ])
  const before = streamed
  expect(await run(modelInputs(w.path("bert")))).toEqual(first)
  expect(streamed).toBe(before)
  w.write("bert/config.json", `${w.read("bert/config.json")}\n`)
  const changed = await run(modelInputs(w.path("bert")))
  expect(streamed).toBe(before + 1)
  expect(inputDifferences(recordOf(first), changed, every)).toEqual([
    expect.stringMatching(/^model\/config\.json: trained with SHA-256 .*, now SHA-256/)
  ])
})

test("a record of before that has weights which nothing reads holds where they are the same, and only there", async () => {
  w.model("bert", "beside")
  w.write("beside/other.safetensors", "x")
  const recorded = recordOf(await run(modelInputs(w.path("beside"), { "model/other.safetensors": null })))
  expect(Object.keys(recorded)).toContain("model/other.safetensors")
  const now = () => run(modelInputs(w.path("beside"), recorded))
  expect(inputDifferences(recorded, await now(), every)).toEqual([])
  rmSync(w.path("beside/other.safetensors"))
  expect(inputDifferences(recorded, await now(), every)).toEqual([
    expect.stringMatching(/^model\/other\.safetensors: trained with SHA-256 .*, now no such file$/)
  ])
})

test("another kind of file with the base's files beside it is another base", async () => {
  cpSync(join(repository, "test", "golden", "gguf", "llama.gguf"), w.path("bert/llama.gguf"))
  const recorded = recordOf(await run(modelInputs(w.path("bert"))))
  const now = await run(modelInputs(w.path("bert/llama.gguf"), recorded))
  expect(inputDifferences(recorded, now, every).join()).toContain("model/model.safetensors: trained with SHA-256")
  expect(inputDifferences(recorded, now, every).join()).toContain("model/llama.gguf: trained with no such file")
})

test("what is no file is not hashed", async () => {
  const refusal = (name: string) => run(Effect.flip(sha256Of(w.path(name)))).then(({ reason }) => reason)
  expect(Bun.spawnSync(["mkfifo", w.path("pipe")]).exitCode).toBe(0)
  symlinkSync("/dev/zero", w.path("device"))
  expect(await refusal("pipe")).toBe("it is a pipe, not a regular file")
  expect(await refusal("device")).toBe("it is a device, not a regular file")
  expect(await refusal("bert")).toBe("it is a folder")
  expect(await refusal("nowhere")).toBe("no such file or folder")
  writeFileSync(w.path("abc"), "abc")
  expect(await run(sha256Of(w.path("abc")))).toStartWith("ba7816bf8f01cfea")
})

test("a record of before has a LayersModel's weights in a subfolder by their last name", async () => {
  const network = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1], useBias: false })] })
  const weights = [{ name: "dense/kernel", shape: [1, 1], dtype: "float32" }]
  const topology = network.toJSON(null, false)
  network.dispose()
  w.write(
    "layers/model.json",
    JSON.stringify({ modelTopology: topology, weightsManifest: [{ paths: ["sub/w.bin"], weights }] })
  )
  w.write("layers/sub/w.bin", "four")
  const source = w.path("layers/model.json")
  const [, today] = await run(modelInputs(source))
  expect(today!.name).toBe("model/sub/w.bin")
  const recorded = { "model/w.bin": today!.sha256 }
  expect(inputDifferences(recorded, await run(modelInputs(source, recorded)), every)).toEqual([])
  w.write("layers/sub/w.bin", "five")
  expect(inputDifferences(recorded, await run(modelInputs(source, recorded)), every)).toEqual([
    expect.stringMatching(/^model\/w\.bin: trained with SHA-256 .*, now SHA-256/)
  ])
})
