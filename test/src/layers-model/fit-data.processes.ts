/** Training on a dataset without an end. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { fitDataset } from "../../../src/layers-model/fit/index.ts"
import { describeOn } from "../../backends.ts"
import { adaptedBy, datasetOf, rowsOf, twoLayers } from "./small-models.ts"

const { x, oneHot } = rowsOf(20)

describeOn("wasm", () => {
  test("an endless stream: memory stays where it is", async () => {
    const model = twoLayers()
    model.compile({ optimizer: "sgd", loss: "categoricalCrossentropy" })
    await adaptedBy(model, async (adapted) => {
      const endless = datasetOf(x, oneHot, 4).repeat()
      const held: Array<string> = []
      const { heap } = { heap: () => (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.length }
      await fitDataset(adapted, endless, {
        epochs: 20,
        batchesPerEpoch: 10,
        validationData: endless,
        validationBatches: 2,
        plan: { training: { accumulate: 2, diagnostics: { every: 3 } } },
        callbacks: {
          onBatchEnd: async () => {
            const { numTensors, numDataBuffers, numBytes } = tf.memory()
            held.push(`${numTensors} tensors, ${numDataBuffers} buffers, ${numBytes} bytes, heap ${heap()}`)
          }
        }
      })
      expect(held.length).toBe(100)
      expect(new Set(held.slice(5)).size).toBe(1)
    })
    model.dispose()
  })
})
