/** Merged folders of tiny runs of every method, model and packing; two of them, and what is refused, are in merge.test.ts. */
import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { readHeader, streamSafetensors, type TensorType } from "../../../src/safetensors/index.ts"
import { mergeRun } from "../../../src/trained/index.ts"
import { tensorsIn, workspace } from "../../e2e/fixtures.ts"
import { cases, lora, modulesToSave, pooler, testMerged, writeBases } from "./merged-runs.ts"
import { onDevice, trainTiny } from "./tiny-run.ts"

const w = workspace()
writeBases(w)

describe("a merged run", () => {
  for (const one of cases) testMerged(w, one)

  test("has the base's names for its tensors; a bare encoder with a classification head, those of the class", async () => {
    const namesIn = async (folder: string) => [...(await tensorsIn(w, `${folder}/model.safetensors`)).keys()].sort()
    const bare = await namesIn("minilm")
    expect(await namesIn("runs/minilm-mean/merged")).toEqual(bare)
    expect(await namesIn("runs/bert-pooler/merged")).toEqual(await namesIn("bert"))
    expect(await namesIn("runs/minilm-pooler/merged")).toEqual(
      [...bare.map((name) => `bert.${name}`), "classifier.bias", "classifier.weight"].sort()
    )
  })

  test("says in its card what differs: ranks, a head that lies beside, modules trained whole, packed weights", () => {
    const mean = w.read("runs/bert-mean/merged/README.md")
    expect(mean).toContain("LoRA of rank 2, 4, 6")
    expect(mean).toContain("`classifier.weight`")
    expect(mean).toContain("head.safetensors")
    expect(mean).toContain("\n- lora\n")
    expect(w.read("runs/bert-full/merged/README.md")).not.toContain("\n- lora\n")
    expect(mean).not.toContain("were stored as")
    const packed = w.read("runs/bert-int8-in-part/merged/README.md")
    expect(packed).toContain(
      "During training the base's linear layers were stored as int8; here they have these rounded values, with the adapter added, or without it in 7 tensors"
    )
  })
})

/** The same base in other clothes, under a run that was trained on the plain one's numbers. */
describe("a base", () => {
  const rewritten = async (
    folder: string,
    rename: (name: string) => string,
    more: Readonly<Record<string, TensorType & { readonly bytes: Uint8Array }>> = {}
  ) => {
    w.model("bert", folder)
    const tensors = await tensorsIn(w, "bert/model.safetensors")
    const all = new Map([
      ...[...tensors].map(
        ([name, { shape, data }]) =>
          [rename(name), { dtype: "F32", shape, bytes: new Uint8Array(data.buffer) }] as const
      ),
      ...Object.entries(more)
    ])
    const file = w.path(`${folder}/model.safetensors`)
    await onDevice(streamSafetensors(file, all, (name) => Effect.succeed(all.get(name)!.bytes), { format: "pt" }))
  }

  test("of an old spelling keeps it, and integers stay integers", async () => {
    const ids = BigInt64Array.from({ length: 40 }, (_, i) => BigInt(i))
    await rewritten(
      "old-bert",
      (name) => name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
      { "bert.embeddings.position_ids": { dtype: "I64", shape: [1, 40], bytes: new Uint8Array(ids.buffer) } }
    )
    const run = await trainTiny(w, "old", "old-bert", { task: pooler, adapter: { ...lora, modulesToSave } })
    await onDevice(mergeRun(run))
    const base = await onDevice(readHeader(w.path("old-bert/model.safetensors")))
    const merged = await onDevice(readHeader(join(run, "merged/model.safetensors")))
    expect([...merged.tensors.keys()].sort()).toEqual([...base.tensors.keys()].sort())
    expect([...merged.tensors.keys()][0]).toBe("bert.embeddings.position_ids") // wider types first
    expect(merged.tensors.get("bert.embeddings.position_ids")!.dtype).toBe("I64")
    const content = await tensorsIn(w, "runs/old/merged/model.safetensors")
    expect(Array.from(content.get("bert.embeddings.position_ids")!.data)).toEqual(Array.from(ids, Number))
    const name = "bert.encoder.layer.1.output.LayerNorm.gamma"
    expect(content.get(name)!.data).not.toEqual((await tensorsIn(w, "old-bert/model.safetensors")).get(name)!.data)
  })

  test("in half precision becomes float32, and its config says nothing of where it was or of code that is not there", async () => {
    w.model("bert", "half-bert")
    const tensors = await tensorsIn(w, "bert/model.safetensors")
    const types = new Map([...tensors].map(([name, { shape }]) => [name, { dtype: "BF16", shape } as const]))
    // bfloat16 is the upper half of a float32
    const upper = (name: string) => {
      const bits = new Uint32Array(tensors.get(name)!.data.buffer)
      return Effect.sync(() => new Uint8Array(Uint16Array.from(bits, (word) => word >>> 16).buffer))
    }
    await onDevice(streamSafetensors(w.path("half-bert/model.safetensors"), types, upper))
    const { dtype: _, ...config } = w.json("half-bert/config.json")
    const auto_map = { AutoModel: "modeling.Model" }
    w.write("half-bert/config.json", { ...config, torch_dtype: "bfloat16", _name_or_path: "/home/me", auto_map })
    const run = await trainTiny(w, "half", "half-bert", { adapter: lora })
    await onDevice(mergeRun(run))
    const merged = await onDevice(readHeader(join(run, "merged/model.safetensors")))
    expect(new Set([...merged.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(["F32"]))
    const base = await tensorsIn(w, "half-bert/model.safetensors")
    const content = await tensorsIn(w, "runs/half/merged/model.safetensors")
    const name = "bert.embeddings.word_embeddings.weight"
    expect(content.get(name)!.data).toEqual(base.get(name)!.data)
    const said = w.json("runs/half/merged/config.json")
    expect(said["dtype"]).toBe("float32")
    for (const key of ["torch_dtype", "_name_or_path", "auto_map"]) expect(Object.keys(said)).not.toContain(key)
  })
})
