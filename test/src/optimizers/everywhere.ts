/** Where optimizers run: cpu, a wasm backend that somebody else opened (references alone), and wasm with our own kernels. */
import { afterAll, beforeAll, describe } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import "@tensorflow/tfjs-backend-wasm"
import { describeOn } from "../../backends.ts"

export const describeEverywhere = (what: string, tests: () => void): void => {
  for (const backend of ["cpu", "wasm"]) {
    describe(`${what} on ${backend}`, () => {
      beforeAll(async () => {
        await tf.setBackend(backend)
      })
      afterAll(async () => {
        await tf.setBackend("cpu")
      })
      tests()
    })
  }
  describe(`${what} with our own kernels`, () => describeOn("wasm", tests))
}
