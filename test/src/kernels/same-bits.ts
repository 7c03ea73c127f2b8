/** The law of every wasm kernel: which thread takes which chunk, and how many threads there are, changes no bit. */
import { expect } from "bun:test"
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { onWasm } from "../device/on-wasm.ts"

/** Runs `f` with one thread and with three and compares what it returns. */
export const expectSameBits = async (f: () => ReadonlyArray<Tensor>): Promise<void> => {
  const bits = (threads: number) =>
    onWasm(
      async () => {
        const tensors = f()
        const values = await Promise.all(tensors.map((tensor) => tensor.data()))
        tf.dispose([...tensors])
        return values.map((data) => new Uint32Array(data.slice().buffer))
      },
      { threads }
    )
  const expected = await bits(1)
  expect(expected.length).toBeGreaterThan(0)
  expect(await bits(3)).toEqual(expected)
}
