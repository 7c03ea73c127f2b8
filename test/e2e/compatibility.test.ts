/**
 * What was written at faf5b6a works unchanged: runs and adapters (`test/golden/compatibility`, with what the code of then said about
 * them). More runs, checkpoints to resume from and studies are in compatibility.processes.ts.
 */
import { test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { loadAdapter } from "../../src/layers-model/index.ts"
import { expectClose, tolerance } from "../setup.ts"
import { expected, quick, testFinished, written } from "./faf5b6a.ts"
import { jsonObjects } from "./fixtures.ts"

const w = written()

testFinished(w, quick)

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
