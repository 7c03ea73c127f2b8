/** State outside of the wasm heap: the same bits as in it, tensors to tfjs, and pages that are given back. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { nativeLibrary } from "../../../../src/device/native.ts"
import {
  adamMoves,
  lionMoves,
  loraProAdamMoves,
  ratesAt,
  stateTensor,
  stateZeros
} from "../../../../src/kernels/index.ts"
import { openLibrary } from "../../../../src/kernels/native/library.ts"
import { outsideOf } from "../../../../src/kernels/native/outside.ts"
import { wasmBackend } from "../../../../src/kernels/wasm/backend.ts"
import { wasmEngineOf } from "../../../../src/kernels/wasm/engine.ts"
import { onWasm, random, tensorOf } from "../../device/on-wasm.ts"

const native = await Effect.runPromise(nativeLibrary)
const onNative = <A>(f: () => A | Promise<A>) => onWasm(f, { threads: 2, native })

const SHAPE = [640, 512]
const addressOf = (tensor: tf.TensorInfo) => wasmEngineOf(tf.backend())?.outside?.addressOf(tensor)
const rates = (count: number) => ratesAt({ b1: 0.9, b2: 0.999, eps: 1e-8 }, count)

/** Bits of what three steps make, from zeros that `zeros` makes, and whether its state lay outside after the last. */
const bitsAfter = <A extends ReadonlyArray<tf.Tensor>>(
  zeros: (shape: ReadonlyArray<number>) => tf.Tensor,
  moves: number,
  step: (
    state: ReadonlyArray<tf.Tensor>,
    count: number
  ) => { readonly state: A; readonly others: ReadonlyArray<tf.Tensor> }
) => {
  const all = tf.tidy(() => {
    let state: ReadonlyArray<tf.Tensor> = Array.from({ length: moves }, () => zeros(SHAPE))
    let others: ReadonlyArray<tf.Tensor> = []
    for (let count = 1; count <= 3; count++) {
      const next = step(state, count)
      tf.dispose([...state])
      ;({ state, others } = next)
    }
    return [...state, ...others]
  })
  const outside = all.slice(0, moves).every((tensor) => addressOf(tensor) !== undefined)
  const bits = all.map((tensor) => new Uint32Array((tensor.dataSync() as Float32Array).buffer))
  tf.dispose(all)
  return { outside, bits }
}

const inside = (shape: ReadonlyArray<number>) => tf.zeros([...shape])

const STEPS: Readonly<Record<string, (zeros: typeof inside) => ReturnType<typeof bitsAfter>>> = {
  adam: (zeros) => {
    const next = random(1)
    return bitsAfter(zeros, 2, ([first, second], count) => {
      const [moved] = adamMoves([tensorOf(SHAPE, next)], [first!], [second!], rates(count))
      return { state: [moved!.first, moved!.second], others: [moved!.u] }
    })
  },
  lion: (zeros) => {
    const next = random(2)
    return bitsAfter(zeros, 1, ([moment]) => {
      const moved = lionMoves([tensorOf(SHAPE, next)], [moment!], { b1: 0.9, b2: 0.99 })
      return { state: [moved.moment[0]!], others: [moved.u[0]!] }
    })
  },
  "LoRA-Pro's full form": (zeros) => {
    const next = random(3)
    const [out, inputs] = SHAPE as [number, number]
    const factors = () => ({
      A: tensorOf([4, inputs], next) as tf.Tensor2D,
      B: tensorOf([out, 4], next) as tf.Tensor2D
    })
    const square = () => tensorOf([4, 4], next) as tf.Tensor2D
    return bitsAfter(zeros, 2, ([first, second], count) => {
      const whitening = { TB: square(), TBgrad: square(), TAt: square(), TAgrad: square(), S: square() }
      const pair = { pair: { ...factors(), scale: 2 }, gradient: factors(), whitening, first: first!, second: second! }
      const [moved] = loraProAdamMoves([pair], "sylvester", rates(count))
      return { state: [moved!.first, moved!.second], others: [moved!.A, moved!.B] }
    })
  }
}

for (const [name, run] of Object.entries(STEPS))
  test(`${name} has the same bits with its state in the heap and outside`, () =>
    onNative(() => {
      const [own, other] = [run((shape) => stateZeros([...shape])), run(inside)]
      expect([own.outside, other.outside]).toEqual([true, false])
      expect(own.bits).toEqual(other.bits)
      expect(own.bits.every((bits) => bits.some((word) => word !== 0))).toBe(true)
    }))

test("on wasm, and if it is small, state lies in the heap", async () => {
  await onWasm(() => tf.tidy(() => expect(addressOf(stateZeros(SHAPE))).toBe(undefined)))
  await onNative(() => tf.tidy(() => expect(addressOf(stateZeros([16, 512]))).toBe(undefined)))
})

test("an op of tfjs's moves into the heap what it reads; clones and other shapes share the memory", () =>
  onNative(() => {
    const values = tf.tidy(() => tensorOf(SHAPE, random(4)).dataSync() as Float32Array)
    const before = tf.memory()
    const tensor = stateTensor(values, SHAPE)
    const clone = tensor.clone()
    const flat = tf.reshape(tensor, [-1])
    expect(addressOf(clone)).toBe(addressOf(tensor)!)
    expect(addressOf(flat)).toBe(addressOf(tensor)!)
    tensor.dispose()
    expect(clone.dataSync()).toEqual(values)
    const moved = tf.neg(flat)
    expect(addressOf(clone)).toBe(undefined)
    expect(moved.dataSync()).toEqual(values.map((value) => -value))
    expect(clone.dataSync()).toEqual(values)
    tf.dispose([clone, flat, moved])
    const { numTensors, numDataBuffers, numBytes } = tf.memory()
    expect([numTensors, numDataBuffers, numBytes]).toEqual([before.numTensors, before.numDataBuffers, before.numBytes])
  }))

test("memory is given back with its tensors, and kept for the next step up to what is in use", () =>
  onNative(() => {
    const { privateMemory } = openLibrary(native)
    const held = new Map<number, number>()
    const outside = outsideOf(wasmBackend(tf.backend()), {
      ...privateMemory!,
      allocate: (bytes) => {
        const address = privateMemory!.allocate(bytes)
        held.set(address, bytes)
        return address
      },
      free: (address, bytes) => {
        expect(held.get(address)).toBe(bytes)
        held.delete(address)
        privateMemory!.free(address, bytes)
      }
    })
    const make = () => Array.from({ length: 3 }, () => outside.tensor(SHAPE, new Float32Array(640 * 512).fill(1))!)
    let state = make()
    for (let step = 0; step < 4; step++) {
      const next = make()
      tf.dispose(state)
      state = next
      expect(held.size).toBe(6)
    }
    expect(
      outside
        .tensor(SHAPE)!
        .dataSync()
        .every((value) => value === 0)
    ).toBe(true)
    tf.dispose(state)
    expect(held.size).toBe(2)
  }))
