/**
 * Adapters as files: wherever they go they come back to the bit, and what is no adapter of
 * a model is refused whole.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import * as tf from "@tensorflow/tfjs"
import {
  type AdaptedLayersModel,
  AdapterFileError,
  type AdapterSource,
  type AdaptOptionsInput,
  adapt,
  loadAdapter
} from "../../../src/layers-model/index.ts"
import { tensorsOf, withTensors } from "../../../src/tensors/trainable.ts"
import { convnet, moved, numbers, sequential, siamese, uniform } from "./networks.ts"

const directory = mkdtempSync(join(tmpdir(), "adapter-files-"))
const at = (...parts: ReadonlyArray<string>) => join(directory, ...parts)
const MODEL = "adapter_model.safetensors"
const CONFIG = "adapter_config.json"

beforeAll(() => void tf.setBackend("cpu"))
afterAll(() => rmSync(directory, { recursive: true }))

const x = uniform([4, 8, 8, 3], 3)

const trained = async (options: AdaptOptionsInput, seed = 1): Promise<AdaptedLayersModel> => {
  const adapted = await adapt(convnet(seed), options)
  moved(adapted)
  return adapted
}

const refused = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(
    () => undefined,
    (cause: unknown) => cause
  )
  expect(error).toBeInstanceOf(AdapterFileError)
  return (error as AdapterFileError).message
}

/** A handler that keeps what it is given. */
const memory = () => {
  let kept: tf.io.ModelArtifacts | undefined
  return {
    handler: {
      save: async (artifacts: tf.io.ModelArtifacts): Promise<tf.io.SaveResult> => {
        kept = artifacts
        return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: "JSON" } }
      },
      load: async () => kept!
    },
    get kept() {
      return kept!
    }
  }
}

const methods: ReadonlyArray<AdaptOptionsInput> = [
  { rank: 2, head: ["logits"] },
  { rank: 2, init: { kind: "pissa" }, scaling: "rank-stabilized", overrides: [{ targets: ["second"], rank: 3 }] },
  { rank: 1, targets: ["first"], modulesToSave: ["second"] },
  { method: "dora", rank: 2 },
  { method: "adalora", rank: 2 },
  { method: "full", exclude: ["logits"] },
  { method: "none", head: ["first"] }
]

test("a file of AdaLoRA has the triplets whose λ is not 0, and what is loaded from it says the same", async () => {
  const adapted = await trained({ method: "adalora", rank: 2, initialRank: 3 })
  const own = adapted.adapted
  const isSingular = ({ shape }: tf.Tensor) => shape.length === 1 && shape[0] === 3
  own.trainable = withTensors(
    own.trainable,
    tensorsOf(own.trainable).map((tensor) => (isSingular(tensor) ? tf.mul(tensor, [1, 0, 1]) : tensor.clone()))
  )
  adapted.refresh()
  const files = await adapted.files()
  const bytes = files[MODEL] as Uint8Array
  const header = JSON.parse(
    new TextDecoder().decode(
      bytes.subarray(8, 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)))
    )
  ) as Readonly<Record<string, { readonly shape: ReadonlyArray<number> }>>
  const shapes = Object.entries(header).filter(([name]) => name.endsWith(".lora_E"))
  expect(shapes.length).toBeGreaterThan(1)
  expect(shapes.map(([, { shape }]) => shape)).toEqual(shapes.map(() => [2, 1]))
  const loaded = await loadAdapter(adapted.network.base, files)
  expect(await numbers(loaded.predict(x))).toEqual(await numbers(adapted.predict(x)))
})

describe.each(methods.map((options) => [JSON.stringify(options), options] as const))("%s", (_, options) => {
  test("comes back to the bit: folder, file://, its file, bytes, a handler, a server", async () => {
    const adapted = await trained(options)
    const model = adapted.network.base
    const expected = await numbers(adapted.predict(x))
    const folder = at(crypto.randomUUID())
    const { modelArtifactsInfo } = await adapted.save(folder)
    expect(modelArtifactsInfo.weightDataBytes).toBe(readFileSync(join(folder, MODEL)).length)
    await adapted.save(pathToFileURL(at("as an url")).href)
    const { handler } = memory()
    await adapted.save(handler)
    const files = await adapted.files()
    expect(Object.keys(files).sort()).toEqual(readdirSync(folder).sort())
    using server = Bun.serve({
      port: 0,
      fetch: ({ url }) => new Response(Bun.file(at(decodeURI(new URL(url).pathname))))
    })
    const path = folder.slice(directory.length + 1)
    const sources: ReadonlyArray<AdapterSource> = [
      folder,
      pathToFileURL(at("as an url")).href,
      join(folder, MODEL),
      files,
      handler,
      `${server.url}${path}/`,
      `${server.url}${path}/${MODEL}?v=1`
    ]
    for (const source of sources) {
      const loaded = await loadAdapter(model, source, { name: "loaded" })
      expect(loaded.active).toBe("loaded")
      expect(await numbers(loaded.predict(x))).toEqual(expected)
      await loaded.dispose()
    }
    if (options.head === undefined) {
      const other = await adapt(model, { rank: 1 })
      await other.add("loaded", folder)
      other.use("loaded")
      expect(await numbers(other.predict(x))).toEqual(expected)
    }
    await adapted.dispose()
  })
})

test("the same adapter gives the same bytes; a folder that is saved to again has no other method's files", async () => {
  const adapted = await trained({ rank: 2 })
  await adapted.save(at("again"))
  const bytes = readFileSync(at("again", MODEL))
  await adapted.save(at("again"))
  expect(readFileSync(at("again", MODEL))).toEqual(bytes)
  await (await trained({ method: "full" })).save(at("again"))
  expect(readdirSync(at("again"))).toEqual([MODEL])
})

test("a link at the temporary name is not written through", async () => {
  mkdirSync(at("linked"))
  writeFileSync(at("victim"), "theirs")
  symlinkSync(at("victim"), at("linked", `${MODEL}.tmp-${process.pid}`))
  await (await trained({ rank: 2 })).save(at("linked"))
  expect(readFileSync(at("victim"), "utf8")).toBe("theirs")
  expect(readdirSync(at("linked")).sort()).toEqual([CONFIG, MODEL].sort())
})

describe("what cannot be loaded is told, and nothing of it stays", () => {
  const model = () => convnet()
  const written = async (name: string, bytes: Uint8Array | string) => {
    mkdirSync(at(name), { recursive: true })
    writeFileSync(at(name, MODEL), bytes)
    return at(name)
  }
  const good = async () => (await trained({ rank: 2 })).files()
  /** The file with its header's JSON changed. */
  const reworded = (bytes: Uint8Array, change: (json: string) => string): Uint8Array => {
    const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
    const json = change(new TextDecoder().decode(bytes.subarray(8, 8 + length)))
    const header = new TextEncoder().encode(json.padEnd(Math.ceil(json.length / 8) * 8))
    const changed = new Uint8Array(8 + header.length + bytes.length - 8 - length)
    new DataView(changed.buffer).setBigUint64(0, BigInt(header.length), true)
    changed.set(header, 8)
    changed.set(bytes.subarray(8 + length), 8 + header.length)
    return changed
  }
  const file = async () => (await good())[MODEL]!

  test("places", async () => {
    expect(await refused(loadAdapter(model(), at("nowhere")))).toContain("no such folder or file")
    mkdirSync(at("empty"))
    expect(await refused(loadAdapter(model(), at("empty")))).toContain(`the folder has no ${MODEL}`)
    expect(await refused(loadAdapter(model(), "indexeddb://x"))).toContain("tfjs has no handler that can load it here")
    expect(await refused(loadAdapter(model(), { "other.bin": new Uint8Array(8) }))).toContain(`expected ${MODEL}`)
    using server = Bun.serve({ port: 0, fetch: () => new Response("", { status: 404 }) })
    expect(await refused(loadAdapter(model(), `${server.url}x/`))).toContain("the server responded with 404")
    const adapted = await trained({ rank: 2 })
    writeFileSync(at("a file"), "")
    expect(await refused(adapted.save(at("a file", "below")))).toContain("ENOTDIR")
    expect(await refused(adapted.save("s3://x"))).toContain("tfjs has no handler that can save it")
    expect(await refused(adapted.save({ load: async () => ({}) }))).toContain("expected a handler with save()")
    const failing = tf.io.withSaveHandler(() => Promise.reject(new Error("the quota is used up")))
    expect(await refused(adapted.save(failing))).toContain("the quota is used up")
  })

  test("damaged files", async () => {
    const bytes = await file()
    expect(await refused(loadAdapter(model(), await written("cut", bytes.subarray(0, -4))))).toContain("truncated")
    expect(await refused(loadAdapter(model(), await written("text", "hello, this is no adapter")))).toContain(
      "may not be a safetensors file"
    )
    const record = reworded(bytes, (json) => json.replace('\\"rank\\":2', '\\"rank\\":0'))
    expect(await refused(loadAdapter(model(), { [MODEL]: record }))).toContain(
      "its record is damaged: adapter.rank: found 0; expected an integer from 1 to 1024"
    )
    const later = reworded(bytes, (json) => json.replace('\\"format\\":1', '\\"format\\":7'))
    expect(await refused(loadAdapter(model(), { [MODEL]: later }))).toContain("saved in form 7 by a later version")
    const foreign = reworded(bytes, (json) => json.replace("tfjs-lora-pro", "somebody-elses"))
    expect(await refused(loadAdapter(model(), { [MODEL]: foreign }))).toContain("expected an adapter written by save()")
    const infinite = bytes.slice()
    new DataView(infinite.buffer).setFloat32(bytes.length - 4, Number.NaN, true)
    expect(await refused(loadAdapter(model(), { [MODEL]: infinite }))).toContain("holds NaN at")
    const renamed = reworded(bytes, (json) => json.replace("first.lora_A", "first.lora_C"))
    const message = await refused(loadAdapter(model(), { [MODEL]: renamed }))
    expect(message).toContain("first.lora_A.weight is missing; expected one of shape [2,3,3,2]")
    expect(message).toContain("first.lora_C.weight does not belong to this model")
    const reshaped = reworded(bytes, (json) => json.replace("[6,2,1,1]", "[2,6,1,1]"))
    expect(await refused(loadAdapter(model(), { [MODEL]: reshaped }))).toContain(
      "has shape [2,6,1,1], expected [6,2,1,1]"
    )
  })

  test("adapters of other models", async () => {
    const files = await good()
    expect(await refused(loadAdapter(siamese(), files))).toContain("was trained over other weights")
    expect(await refused(loadAdapter(convnet(2), files))).toMatch(
      /was trained over other weights: found [0-9a-f]{16} \(convnet\)/
    )
    expect(await refused(loadAdapter(siamese(), files, { anyBase: true }))).toContain(
      "is not an adapter of siamese: rank"
    )
    expect(await refused(loadAdapter(sequential(), files, { anyBase: true }))).toContain(
      "is missing; expected one of shape"
    )
    const taken = await loadAdapter(convnet(2), files, { anyBase: true })
    expect(taken.names).toEqual(["adapter"])
  })

  test("what handlers give", async () => {
    const adapted = await trained({ rank: 2 })
    const base = adapted.network.base
    const store = memory()
    await adapted.save(store.handler)
    const given = (changes: Partial<tf.io.ModelArtifacts>) =>
      loadAdapter(base, tf.io.fromMemory({ ...store.kept, ...changes }))
    await given({
      weightData: [store.kept.weightData as ArrayBuffer].flatMap((data) => [data.slice(0, 12), data.slice(12)])
    })
    const short = (store.kept.weightData as ArrayBuffer).slice(0, -4)
    expect(await refused(given({ weightData: short }))).toContain("truncated")
    expect(await refused(given({ weightSpecs: store.kept.weightSpecs!.slice(1) }))).toContain(
      "bytes of weights do not belong to a tensor"
    )
    const int = store.kept.weightSpecs!.map((spec) => ({ ...spec, dtype: "int32" as const }))
    expect(await refused(given({ weightSpecs: int }))).toContain("is int32, expected float32")
    expect(await refused(given({ modelTopology: { class_name: "Model", config: {} } }))).toContain(
      "found a Model; expected a LoraProAdapter"
    )
    const [first, ...others] = store.kept.weightSpecs!
    const specs = (changes: object) => ({ weightSpecs: [{ ...first!, ...changes }, ...others] })
    for (const [changes, says] of [
      [specs({ shape: undefined }), "has the shape undefined; expected a list of whole numbers"],
      [specs({ shape: [-2, -27] }), "has the shape [-2,-27]; expected a list of whole numbers"],
      [specs({ shape: [2 ** 30, 2 ** 20] }), "truncated"],
      [specs({ name: "__proto__" }), 'has the name "__proto__"; expected a name'],
      [specs({ name: others[0]!.name }), "is listed twice"],
      [specs({ quantization: { dtype: "uint8", scale: 1, min: 0 } }), "is quantized, expected plain float32"],
      [{ weightSpecs: 7 as never }, "has no list of weightSpecs"],
      [{ weightData: [1, 2] as never }, "has no list of weightSpecs with the bytes of their weightData"]
    ] as const) {
      expect(await refused(given(changes as Partial<tf.io.ModelArtifacts>))).toContain(says)
    }
    const nothing = { load: async () => null as unknown as tf.io.ModelArtifacts }
    expect(await refused(loadAdapter(base, nothing))).toContain("found something without a class name")
    // and tfjs takes no adapter for a model
    await expect(tf.loadLayersModel(tf.io.fromMemory(store.kept))).rejects.toThrow("LoraProAdapter")
  })

  test("no tensor and no name stays behind", async () => {
    const [base, files] = [model(), await good()]
    const adapted = await adapt(base, { rank: 1 })
    const cut = { [MODEL]: files[MODEL]!.subarray(0, -4) }
    // found out when the adapter stands already
    const renamed = { [MODEL]: reworded(files[MODEL]!, (json) => json.replace("first.lora_A", "first.lora_C")) }
    const other = await (await trained({ rank: 2 }, 5)).files()
    const before = tf.memory()
    for (const source of [cut, renamed, other, at("nowhere")]) {
      await refused(loadAdapter(base, source))
      await refused(adapted.add("more", source))
    }
    expect(tf.memory()).toEqual(before)
    expect(adapted.names).toEqual(["adapter"])
  })
})
