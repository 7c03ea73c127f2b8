/**
 * A model.json from outside: its weight files are in its folder and as long as it says, and its numbers are believed only as far as its
 * weights go. Each is one sentence, in no time and without memory to speak of.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { linkSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import * as tf from "@tensorflow/tfjs"
import { jsonLines, TIMEOUT, tinyPlan, workspace } from "../e2e/fixtures.ts"
import { filesOf, type ModelJson, smallModel } from "./small-layers-model.ts"

const w = workspace()

/** A layer as tfjs saves it. */
type Json = ModelJson["modelTopology"]

/** The sound one. */
let model: ModelJson
let bytes: Uint8Array

beforeAll(async () => {
  await tf.setBackend("cpu")
  const files = await filesOf(smallModel())
  model = files.json
  bytes = files.bytes
  const rows = Array.from({ length: 12 }, (_, i) => ({ x: [i, 1, 2, 3], y: ["a", "b", "c"][i % 3] }))
  w.write("rows.jsonl", jsonLines(rows))
  w.write("elsewhere/weights.bin", "")
  writeFileSync(w.path("elsewhere/weights.bin"), bytes)
})

let count = 0

/** Writes the model with something changed, and says what `validate` says of a plan over it. */
const said = async (change: (copy: ModelJson, folder: string) => void, source?: (folder: string) => string) => {
  const folder = `model-${count++}`
  const copy = structuredClone(model)
  mkdirSync(w.path(folder))
  writeFileSync(w.path(`${folder}/weights.bin`), bytes)
  change(copy, folder)
  w.write(`${folder}/model.json`, JSON.stringify(copy))
  w.write("plan.json", {
    ...tinyPlan(source?.(folder) ?? `${folder}/model.json`),
    data: { format: "arrays", train: "rows.jsonl", input: "x", label: "y" },
    adapter: { method: "lora", rank: 2, alpha: 4 }
  })
  const began = performance.now()
  const { code, stderr } = await w.cli(["validate", "plan.json"])
  expect(performance.now() - began).toBeLessThan(10_000)
  expect(stderr).not.toMatch(/^\s+at /m)
  expect(stderr.length).toBeLessThan(8_000)
  return { code, stderr: stderr.replaceAll(w.directory, "").replaceAll(folder, "model") }
}

type Case = readonly [name: string, change: (copy: ModelJson, folder: string) => void, says: string | RegExp]

const refusals = (cases: ReadonlyArray<Case>) =>
  test.each(cases)(
    "%s",
    async (_, change, says) => {
      const { code, stderr } = await said(change)
      expect(stderr).toMatch(says)
      expect(code).toBe(1)
    },
    TIMEOUT
  )

const paths =
  (given: ReadonlyArray<unknown>): Case[1] =>
  (copy) => {
    copy.weightsManifest[0].paths = [...given]
  }
const weight =
  (change: Record<string, unknown>): Case[1] =>
  (copy) => {
    Object.assign(copy.weightsManifest[0].weights[0]!, change)
  }

test("the sound model is taken, also with its weights in a folder below, in parts, and through links of a cache", async () => {
  expect(await said(() => undefined)).toMatchObject({ code: 0 })
  const split = await said((copy, folder) => {
    mkdirSync(w.path(`${folder}/parts`))
    writeFileSync(w.path(`${folder}/parts/1.bin`), bytes.subarray(0, 100))
    writeFileSync(w.path(`${folder}/2.bin`), bytes.subarray(100))
    paths(["parts/1.bin", "./2.bin"])(copy, folder)
  })
  expect(split).toMatchObject({ code: 0 })
  // as huggingface_hub lays a repository out: all files in one folder under their hashes, and links to them
  const cached = await said(
    (copy, folder) => {
      mkdirSync(w.path(`${folder}/blobs`))
      mkdirSync(w.path(`${folder}/snapshots/abc/parts`), { recursive: true })
      writeFileSync(w.path(`${folder}/blobs/11`), bytes)
      copy.weightsManifest[0].paths = ["parts/weights.bin"]
      w.write(`${folder}/blobs/22`, JSON.stringify(copy))
      symlinkSync("../../../blobs/11", w.path(`${folder}/snapshots/abc/parts/weights.bin`))
      symlinkSync("../../blobs/22", w.path(`${folder}/snapshots/abc/model.json`))
    },
    (folder) => `${folder}/snapshots/abc/model.json`
  )
  expect(cached).toMatchObject({ code: 0 })
})

describe("weight files", () => {
  const link =
    (target: string): Case[1] =>
    (copy, folder) => {
      rmSync(w.path(`${folder}/weights.bin`))
      symlinkSync(target, w.path(`${folder}/weights.bin`))
      return copy
    }
  refusals([
    ["an absolute path", paths(["/dev/zero"]), 'names the file "/dev/zero"; expected one in the model\'s own folder'],
    [
      "a path upwards",
      paths(["../elsewhere/weights.bin"]),
      'names the file "../elsewhere/weights.bin"; expected one in'
    ],
    ["upwards behind a folder", paths(["a/../../elsewhere/weights.bin"]), "expected one in the model's own folder"],
    ["a path of Windows", paths(["..\\elsewhere\\weights.bin"]), "expected one in the model's own folder"],
    ["a URL", paths(["https://example.com/weights.bin"]), "expected one in the model's own folder"],
    ["a number", paths([7]), "names the file 7; expected one in"],
    ["nothing", paths([""]), 'names the file ""; expected one in'],
    ["a control character", paths(["a\u001b[31m"]), 'names the file "a\\u001b[31m"; expected one in'],
    [
      "one file 10,000 times",
      paths(Array.from({ length: 10_000 }, () => "weights.bin")),
      /names the file "weights.bin" twice[\s\S]*and 9,979 more/
    ],
    ["one file under two names", paths(["weights.bin", "./weights.bin"]), 'names the file "./weights.bin" twice'],
    [
      "a million files",
      paths(Array.from({ length: 1_000_000 }, (_, i) => `${i}`)),
      "in 1,000,000 files, more than 10,000 entries (limit weight-files; TFJS_LORA_PRO_LIMITS=weight-files=N raises it)"
    ],
    ["a link to a device", link("/dev/zero"), "/model/weights.bin is not a regular file"],
    [
      "a link to another folder",
      link("../elsewhere/weights.bin"),
      /is a link to .*\/elsewhere\/weights.bin; expected a/
    ],
    ["a link to nothing", link("nowhere"), "/model/weights.bin cannot be read; expected it next to the model's file"],
    [
      "a folder",
      (_, folder) => {
        rmSync(w.path(`${folder}/weights.bin`))
        mkdirSync(w.path(`${folder}/weights.bin`))
      },
      "weights.bin is not a regular file"
    ],
    [
      "a pipe",
      (_, folder) => {
        rmSync(w.path(`${folder}/weights.bin`))
        Bun.spawnSync(["mkfifo", w.path(`${folder}/weights.bin`)])
      },
      "weights.bin is not a regular file"
    ],
    [
      "a file of a terabyte",
      (_, folder) => truncateSync(w.path(`${folder}/weights.bin`), 1e12),
      "found 1000000000000 bytes in 1 weight files; expected 204, as its manifest says"
    ],
    [
      "a thousand names of one file",
      (copy, folder) => {
        const names = Array.from({ length: 1_000 }, (_, i) => `${i}.bin`)
        for (const name of names) linkSync(w.path(`${folder}/weights.bin`), w.path(`${folder}/${name}`))
        paths(names)(copy, folder)
      },
      "found 204000 bytes in 1000 weight files; expected 204"
    ]
  ])
})

describe("the manifest", () => {
  refusals([
    [
      "a group that is none",
      (copy) => void copy.weightsManifest.push(null),
      "its weightsManifest has null; expected paths"
    ],
    [
      "a weight without a shape",
      weight({ shape: undefined }),
      '"hidden/kernel" has the shape undefined; expected a list of'
    ],
    [
      "a negative size",
      weight({ shape: [-4, 6] }),
      'its weight "hidden/kernel" has the shape [-4,6]; expected a list of'
    ],
    ["half a size", weight({ shape: [4, 6.5] }), "has the shape [4,6.5]; expected a list of whole numbers"],
    [
      "sizes whose product is no number",
      weight({ shape: [2 ** 40, 2 ** 40] }),
      "has the shape [1099511627776,1099511627776]"
    ],
    [
      "a billion numbers",
      weight({ shape: [1e9, 1] }),
      "are 4,000,000,108 bytes, more than 2,147,483,648 bytes (limit layers-model-"
    ],
    [
      "a million axes",
      weight({ shape: Array.from({ length: 1e6 }, () => 1) }),
      "has 1000000 axes, more than 64 entries (limit tensor-axes"
    ],
    ["a type of its own", weight({ dtype: "string" }), 'has the dtype "string"; expected one of float32, int32, bool'],
    ["a type that all objects have", weight({ dtype: "constructor" }), 'has the dtype "constructor"; expected one of'],
    [
      "another quantization",
      weight({ quantization: { dtype: "int4" } }),
      'of dtype float32 is quantized as "int4"; expected one of'
    ],
    ["a quantization of nothing", weight({ quantization: null }), "is quantized as undefined; expected one of uint8"],
    [
      "a quantization without a scale",
      weight({ quantization: { dtype: "uint8", min: 0 } }),
      "with scale undefined and min 0"
    ],
    ["a name twice", weight({ name: "hidden/bias" }), 'its weight "hidden/bias" is listed twice'],
    ["the name __proto__", weight({ name: "__proto__" }), 'has the name "__proto__"; expected a name'],
    [
      "500,000 weights without shape",
      (copy) => {
        copy.weightsManifest[0].weights = Array.from({ length: 500_000 }, (_, i) => ({
          name: `${i}`,
          dtype: "float32"
        }))
      },
      /its weight "0" has the shape undefined[\s\S]*and 499,980 more/
    ],
    [
      "nothing of it",
      (copy) => Object.assign(copy, { weightsManifest: 7 }),
      "found no modelTopology and weightsManifest"
    ]
  ])
})

/** The layers of the topology. */
const layersOf = (copy: ModelJson): Array<Json> =>
  copy.modelTopology.config?.layers ?? copy.modelTopology.model_config.config.layers
const layer =
  (i: number, config: Record<string, unknown>): Case[1] =>
  (copy) => {
    Object.assign(layersOf(copy)[i].config, config)
  }
const entry =
  (i: number, fields: Record<string, unknown>): Case[1] =>
  (copy) => {
    Object.assign(layersOf(copy)[i], fields)
  }
/** Another layer between the hidden one and the scores, after which its places are averaged. */
const between =
  (className: string, config: Record<string, unknown>, shape: ReadonlyArray<number> = [6]): Case[1] =>
  (copy) => {
    const called = (class_name: string, name: string, from: string, own: Record<string, unknown>) => ({
      class_name,
      name,
      config: { name, ...own },
      inbound_nodes: [[[from, 0, 0, {}]]]
    })
    const mean = shape.length === 3 ? "GlobalAveragePooling2D" : "GlobalAveragePooling1D"
    layersOf(copy).splice(
      2,
      0,
      called("Reshape", "shaped", "hidden", { target_shape: shape }),
      called(className, "between", "shaped", config),
      called(mean, "mean", "between", { data_format: "channels_last" })
    )
    layersOf(copy)[5].inbound_nodes = [[["mean", 0, 0, {}]]]
  }

describe("the layers", () => {
  refusals([
    [
      "a billion units",
      layer(1, { units: 1e9 }),
      "layer hidden needs a kernel of shape [4, 1000000000]; its manifest has 51 numbers for all layers"
    ],
    [
      "half a unit",
      layer(1, { units: 6.5 }),
      "cannot be built by tfjs: Expected units to be a positive integer, but got 6.5"
    ],
    ["units in words", layer(1, { units: "6" }), "cannot be built by tfjs: "],
    [
      "a table of a billion rows",
      between("Embedding", { input_dim: 1e9, output_dim: 8 }),
      "layer between needs a embeddings of shape [1000000000, 8]"
    ],
    [
      "a kernel of a billion",
      between("Conv1D", { filters: 2, kernel_size: [1e9], strides: [1] }, [3, 2]),
      "layer between needs a kernel of shape [1000000000, 2, 2]"
    ],
    [
      "a row a billion times",
      between("RepeatVector", { n: 1e9 }),
      "layer between makes the shape [?, 1000000000, 6]; one row through all layers has more numbers than 268,435,456 entries (limit layers-model-row"
    ],
    [
      "padding of a billion",
      between(
        "ZeroPadding2D",
        {
          padding: [
            [1e9, 1e9],
            [1e9, 1e9]
          ]
        },
        [1, 1, 6]
      ),
      "layer between makes the shape [?, 2000000001, 2000000001, 6]"
    ],
    [
      "enlarged a billion times",
      between("UpSampling2D", { size: [1e9, 1e9] }, [1, 1, 6]),
      "layer between makes the shape [?, 1000000000, 1000000000, 6]"
    ],
    [
      "cut to less than nothing",
      between(
        "Cropping2D",
        {
          cropping: [
            [5, 5],
            [5, 5]
          ]
        },
        [1, 1, 6]
      ),
      "layer between makes the shape"
    ],
    [
      "a class that tfjs does not have",
      entry(1, { class_name: "Lambda" }),
      'layer "hidden" has the class_name "Lambda", which tfjs does not have'
    ],
    [
      "the class __proto__",
      entry(1, { class_name: "__proto__" }),
      'layer "hidden" has the class_name "__proto__", which'
    ],
    [
      "the class constructor, in other letters",
      entry(1, { class_name: "Dense", className: "constructor" }),
      'layer "hidden" has the class_name "constructor"'
    ],
    ["no class", entry(1, { class_name: undefined }), 'layer "hidden" is {"name":"hidden"'],
    [
      "the name __proto__",
      (copy) => {
        entry(1, { name: "__proto__" })(copy, "")
        layer(1, { name: "__proto__" })(copy, "")
      },
      'has the name "__proto__"; expected a name'
    ],
    ["a number for a name", layer(1, { name: 7 }), "has the name 7; expected a name"],
    [
      "two names",
      layer(1, { name: "other" }),
      'a layer is called "hidden" and "other"; expected the same name in both places'
    ],
    [
      "a layer twice",
      (copy) => void layersOf(copy).push(layersOf(copy)[1]),
      'two layers are called "hidden"; expected a name that no other layer has'
    ],
    [
      "a layer that is its own input",
      entry(1, { inbound_nodes: [[["hidden", 0, 0, {}]]] }),
      'layer "hidden" waits for "hidden", which is never called before it'
    ],
    [
      "layers in a ring",
      entry(1, { inbound_nodes: [[["scores", 0, 0, {}]]] }),
      'layer "hidden" waits for "scores", which is never called before it'
    ],
    [
      "an input from no layer",
      entry(1, { inbound_nodes: [[["nowhere", 0, 0, {}]]] }),
      'layer "hidden" waits for "nowhere"'
    ],
    [
      "an input from a call that is never made",
      entry(2, { inbound_nodes: [[["hidden", 5, 0, {}]]] }),
      'layer "scores" waits for "hidden"'
    ],
    [
      "an output that the layer does not have",
      entry(2, { inbound_nodes: [[["hidden", 0, 5, {}]]] }),
      "cannot be built by tfjs: "
    ],
    [
      "inputs of no form",
      entry(1, { inbound_nodes: "numbers" }),
      'layer "hidden" has the inbound_nodes "numbers"; expected lists of'
    ],
    [
      "a million calls",
      entry(1, { inbound_nodes: Array.from({ length: 1e6 }, () => [["numbers", 0, 0, {}]]) }),
      "its layers, their uses and inputs are 2,000,0"
    ],
    [
      "20,000 layers",
      (copy) => {
        const some = Array.from({ length: 20_000 }, (_, i) => ({ class_name: "Flatten", config: { name: `f${i}` } }))
        copy.modelTopology = { class_name: "Sequential", config: { name: "s", layers: some } }
      },
      "its layers, their uses and inputs are 20,001, more than 10,000 entries (limit layers-model-layers"
    ],
    [
      "no layers",
      (copy) => Object.assign(copy, { modelTopology: { class_name: "Model", config: {} } }),
      "model/model.json: "
    ],
    [
      "no topology",
      (copy) => Object.assign(copy, { modelTopology: {} }),
      "its modelTopology is {}; expected class_name and config"
    ],
    ["a name in colours", layer(1, { name: "\u001b[31mred" }), "\\u001b[31mred"]
  ])
})

test("a name in colours is shown as escapes", async () => {
  const { code, stderr } = await said((copy, folder) => {
    const name = "\u001b[31mred"
    layer(1, { name })(copy, folder)
    entry(1, { name })(copy, folder)
    entry(2, { inbound_nodes: [[[name, 0, 0, {}]]] })(copy, folder)
  })
  expect(code).toBe(1)
  expect(stderr).toContain("cannot be built by tfjs: Not a valid tensor name: '\\u001b[31mred/kernel'")
})

describe("a place", () => {
  test.each([
    [
      "https://example.com/model/model.json",
      "model https://example.com/model/model.json: is a URL; models are read from files: download it first, or name a model of the Hub as hf:owner/name"
    ],
    ["HTTP://user:secret@example.com/model.json?token=1", "example.com/model.json"],
    ["/dev/zero", "set model.source to the model.json of a tf.LayersModel"],
    ["/dev/zero.json", "no such file"]
  ])("%s is refused with a reason", async (source, says) => {
    const { code, stderr } = await said(
      () => undefined,
      () => source
    )
    expect(stderr).toContain(says)
    expect(stderr).not.toContain("secret")
    expect(code).toBe(1)
  })
})
