/**
 * What was written at faf5b6a works unchanged: runs, checkpoints to resume from and adapters (`test/golden/compatibility`, with
 * what the code of then said about them). Studies are in compatibility.processes.ts.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import { cpSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import { loadAdapter } from "../../src/layers-model/index.ts"
import { expectClose, tolerance } from "../setup.ts"
import { jsonObjects, onWasm, repository, succeed, TIMEOUT, workspace } from "./fixtures.ts"

const golden = join(repository, "test", "golden")
const written = join(golden, "compatibility")
const models = ["bert", "llama-tied"]

interface Expected {
  readonly finished: ReadonlyArray<{
    readonly run: string
    readonly command: "predict" | "generate"
    readonly given: string
    readonly greedy: ReadonlyArray<string>
    readonly said: object
    readonly evaluation: ReadonlyArray<object>
    readonly merged: { readonly file: string; readonly sha256: string }
  }>
  readonly layersAdapter: { readonly folder: string; readonly scores: ReadonlyArray<number> }
  readonly interrupted: ReadonlyArray<{ readonly run: string; readonly steps: number; readonly adapter: string }>
}
const expected: Expected = await Bun.file(join(written, "expected.json")).json()

const w = workspace()
beforeAll(() => {
  cpSync(written, w.directory, { recursive: true })
  for (const model of models)
    cpSync(join(golden, "models", model, "model.safetensors"), w.path(`${model}/model.safetensors`))
})

const sha256 = (name: string) => createHash("sha256").update(w.bytes(name)).digest("hex")

/** The same value, its numbers up to another order of sums; fields may have come since, and a clock says what it will. */
const alike = (value: unknown): unknown => {
  if (typeof value === "number") return Number.isInteger(value) ? value : expect.closeTo(value, 5)
  if (Array.isArray(value)) return value.map(alike)
  if (typeof value !== "object" || value === null) return value
  const entries = Object.entries(value).filter(([key]) => key !== "tokensPerSecond")
  return expect.objectContaining(Object.fromEntries(entries.map(([key, one]) => [key, alike(one)])))
}

describe("a finished run", () => {
  for (const { run, command, given, greedy, said, evaluation, merged } of expected.finished) {
    test(
      `${run} is evaluated, used and merged`,
      async () => {
        const evaluated = await succeed(w.cli(["evaluate", run, "--json", ...onWasm]))
        expect(jsonObjects(evaluated.stdout)).toEqual(evaluation.map(alike) as never)
        const used = await succeed(w.cli([command, run, given, ...greedy, "--json", ...onWasm]))
        expect(jsonObjects(used.stdout)).toEqual([alike(said)] as never)
        await succeed(w.cli(["merge", run, "--out", `merged/${run}`, ...onWasm]))
        expect(sha256(`merged/${run}/${merged.file}`)).toBe(merged.sha256)
      },
      TIMEOUT
    )
  }
})

describe("an interrupted run", () => {
  for (const { run, steps, adapter } of expected.interrupted) {
    test(
      `${run} goes on from its checkpoint, and ends with the adapter of then, bit for bit`,
      async () => {
        const { stderr } = await succeed(w.cli(["train", "--resume", run, ...onWasm]))
        expect(stderr).toContain("step 6")
        expect(sha256(`${run}/adapter/adapter_model.safetensors`)).toBe(adapter)
        const reported = jsonObjects(w.read(`${run}/metrics.jsonl`)).filter(({ kind }) => kind === "step")
        expect(reported.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, i) => i + 1))
      },
      TIMEOUT
    )
  }
})

test("an adapter that a program saved is put over its network again", async () => {
  await tf.setBackend("cpu")
  const { modelTopology, weightsManifest } = w.json("pictures/model.json") as never as {
    readonly modelTopology: object
    readonly weightsManifest: ReadonlyArray<{ readonly weights: Array<tf.io.WeightsManifestEntry> }>
  }
  const weightData = new Uint8Array(w.bytes("pictures/weights.bin")).buffer
  const weightSpecs = weightsManifest[0]!.weights
  const network = await tf.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }))
  const adapted = await loadAdapter(network, w.path(expected.layersAdapter.folder))
  const pixels = jsonObjects(w.read("pictures/train.jsonl")) as unknown as ReadonlyArray<{
    readonly pixels: ReadonlyArray<ReadonlyArray<number>>
  }>
  const grey = pixels.flatMap((row) => row.pixels.flat()).map((value) => value / 255)
  const x = tf.tensor4d(grey, [pixels.length, 6, 6, 1])
  const scores = adapted.predict(x) as tf.Tensor
  expectClose(await scores.data(), expected.layersAdapter.scores, tolerance.forward)
  await adapted.dispose()
  tf.dispose([x, scores])
})
