/** `export RUN --format layers-model --weights …`: what stock tfjs loads, what it computes, and what is said of the loss. */
import { beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import { jsonObjects, onWasm, run as runProcess, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { openModel, picture, pictures, plan } from "./pictures.ts"

const w = workspace()
pictures(w)
const COUNT = 12

beforeAll(async () => {
  w.write("pictures.json", plan({ training: { steps: 40, batchSize: 8 } }))
  await succeed(w.cli(["train", "pictures.json", "--out", "runs/pictures", ...onWasm]))
  const rows = Array.from({ length: COUNT }, (_, i) => picture(i).map((row) => row.map((grey) => [grey / 255])))
  w.write("inputs.json", rows)
}, TIMEOUT)

interface Report {
  readonly files: ReadonlyArray<{ readonly name: string; readonly bytes: number }>
  readonly weights: {
    readonly bytes: { readonly before: number; readonly after: number }
    readonly tensors: { readonly smaller: number; readonly all: number }
    readonly worst: { readonly largestError: number; readonly step?: number }
    readonly evaluations: ReadonlyArray<
      Readonly<
        Record<
          "before" | "after",
          { readonly split: string; readonly rows: number; readonly loss: number; readonly accuracy: number }
        >
      >
    >
  }
}

const exported = async (weights: string): Promise<Report> => {
  const asked = [
    "export",
    "runs/pictures",
    "--format",
    "layers-model",
    "--weights",
    weights,
    "--out",
    weights,
    "--json"
  ]
  const { stdout } = await succeed(w.cli([...asked, ...onWasm]))
  return jsonObjects(stdout)[0] as never
}

const stock = async (folder: string): Promise<ReadonlyArray<number>> => {
  const script = join(import.meta.dir, "stock-tfjs.ts")
  const { code, stdout, stderr } = await runProcess([process.execPath, script, w.path(folder), w.path("inputs.json")], {
    cwd: w.directory
  })
  expect({ code, stderr: stderr.replace(/^[=\s\S]*Hi, looks like[\s\S]*$/, "") }).toEqual({ code: 0, stderr: "" })
  return JSON.parse(stdout.trim().split("\n").at(-1)!)
}

/** The model whose weights are float32, with the numbers that `folder` stands for, each tensor made by this test. */
const dequantized = async (folder: string) => {
  const model = await openModel(w, "float32")
  const { weightsManifest } = w.json(`${folder}/model.json`) as never as {
    readonly weightsManifest: readonly [{ readonly weights: ReadonlyArray<tf.io.WeightsManifestEntry> }]
  }
  const bytes = Buffer.from(w.bytes(`${folder}/weights.bin`))
  let at = 0
  const taken = (size: number) => {
    at += size
    return at - size
  }
  const values = weightsManifest[0].weights.map(({ shape, quantization }) => {
    const numbers = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
      if (quantization?.dtype === "uint8") return bytes.readUInt8(taken(1)) * quantization.scale! + quantization.min!
      if (quantization?.dtype === "float16")
        return new Float16Array(new Uint16Array([bytes.readUInt16LE(taken(2))]).buffer)[0]!
      return bytes.readFloatLE(taken(4))
    })
    return tf.tensor(numbers, [...shape])
  })
  expect(at).toBe(bytes.length)
  model.setWeights(values)
  const inputs = tf.tensor(w.json("inputs.json") as never)
  return Array.from((model.predict(inputs) as tf.Tensor).dataSync())
}

describe("weights in fewer bytes", () => {
  const reports: Record<string, Report> = {}
  beforeAll(async () => {
    for (const weights of ["float32", "float16", "int8"]) reports[weights] = await exported(weights)
  }, TIMEOUT)

  test(
    "float32 is what merge writes, and says nothing of a loss",
    async () => {
      await succeed(w.cli(["merge", "runs/pictures", "--out", "merged", ...onWasm]))
      for (const file of ["README.md", "model.json", "weights.bin"])
        expect(w.bytes(`float32/${file}`)).toEqual(w.bytes(`merged/${file}`))
      expect(reports["float32"]!.weights).toBeUndefined()
    },
    TIMEOUT
  )

  test.each([
    ["float16", 2],
    ["int8", 4]
  ])(
    "%s: stock tfjs computes with the numbers that it stands for",
    async (weights, share) => {
      const outputs = await stock(weights)
      const own = await dequantized(weights)
      expect(outputs.length).toBe(3 * COUNT)
      // the same engine with the same numbers
      expect(outputs).toEqual(own)
      // and these are not the ones of before
      expect(outputs).not.toEqual(await stock("float32"))
      const { bytes, tensors } = reports[weights]!.weights
      // three kernels are smaller, and the biases and the normalization stay: [4] six times, [16] and [3]
      expect(tensors).toEqual({ smaller: 3, all: 10 })
      const vectors = 4 * (5 * 4 + 16 + 3)
      expect((bytes.after - vectors) * share).toBe(bytes.before - vectors)
    },
    TIMEOUT
  )

  test(
    "the loss is measured on the run's own rows, before and after, and is in the folder's card",
    async () => {
      const { evaluations, worst } = reports["int8"]!.weights
      expect(worst.largestError).toBeLessThanOrEqual(worst.step! / 2 + 1e-7)
      expect(evaluations.map(({ before, after }) => [before.split, before.rows, after.split, after.rows])).toEqual([
        ["validation", 9, "validation", 9],
        ["test", 12, "test", 12]
      ])
      const recorded = w.json("runs/pictures/run.json") as never as { readonly test: { readonly loss: number } }
      const [, { before, after }] = evaluations as never as [never, Report["weights"]["evaluations"][number]]
      expect(before.loss).toBe(recorded.test.loss)
      expect(after.loss).not.toBe(before.loss)
      // the cross-entropy of the twelve test rows, by the model in the folder
      const rows = w
        .read("test-pictures.jsonl")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      const model = await openModel(w, "int8")
      const inputs = tf.tensor(
        rows.map(({ pixels }) => pixels.map((row: ReadonlyArray<number>) => row.map((grey) => [grey / 255])))
      )
      const probabilities = (model.predict(inputs) as tf.Tensor).arraySync() as ReadonlyArray<ReadonlyArray<number>>
      const losses = rows.map(
        ({ kind }, i) => -Math.log(Math.max(1e-7, probabilities[i]![["dark", "light", "striped"].indexOf(kind)]!))
      )
      // float32, on two engines
      expect(after.loss).toBeCloseTo(
        losses.reduce((sum, loss) => sum + loss / 12, 0),
        4
      )
      const card = w.read("int8/README.md")
      expect(card).toContain("3 of 10 tensors are stored as int8")
      expect(card).toContain("| float32 | 12 (test) | accuracy")
      expect(card).toContain("| int8 | 12 (test) | accuracy")
    },
    TIMEOUT
  )

  test(
    "another word is refused with those that there are",
    async () => {
      const { code, stderr } = await w.cli([
        "export",
        "runs/pictures",
        "--format",
        "layers-model",
        "--weights",
        "int4",
        ...onWasm
      ])
      expect(code).toBe(1)
      expect(stderr).toContain('--weights: found "int4"; --format layers-model accepts one of float32, float16, int8')
    },
    TIMEOUT
  )
})
