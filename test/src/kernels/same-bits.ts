/** The law of every wasm kernel: which thread takes which chunk, and how many threads there are, changes no bit. */
import { expect } from "bun:test"
import type { Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { onWasm } from "../device/on-wasm.ts"

type Computed = () => ReadonlyArray<Tensor>
type Bits = ReadonlyArray<Uint32Array>

const bitsOf = async (f: Computed): Promise<Bits> => {
  const tensors = f()
  const values = await Promise.all(tensors.map((tensor) => tensor.data()))
  tf.dispose([...tensors])
  return values.map((data) => new Uint32Array(data.slice().buffer))
}

interface Law {
  readonly f: Computed
  /** with three threads */
  found?: Bits | Error
}

/** The laws of a file that no three threads have computed yet. */
const waiting = new Set<Law>()

const onThreeThreads = (): Promise<void> =>
  onWasm(
    async () => {
      for (const law of waiting) {
        // the test of that law fails with it
        law.found = await bitsOf(law.f).catch((cause) => new Error(String(cause)))
      }
      waiting.clear()
    },
    { threads: 3 }
  )

/**
 * A test's body that runs `f` with one thread and with three and compares what it returns. To be called where a file describes its
 * tests: three threads take longer to start than a kernel takes, so they start once for all of a file.
 */
export const sameBits = (f: Computed): (() => Promise<void>) => {
  const law: Law = { f }
  waiting.add(law)
  return async () => {
    const expected = await onWasm(() => bitsOf(f))
    expect(expected.length).toBeGreaterThan(0)
    if (waiting.has(law)) await onThreeThreads()
    expect(law.found).toEqual(expected)
  }
}

/** The same for what is known in the test alone. */
export const expectSameBits = (f: Computed): Promise<void> => sameBits(f)()
