/** Kernels are called by the names and types of their declarations, or not at all. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { declareKernel, layoutOf, optional, read, write } from "../../../src/kernels/declaration.ts"
import { type WasmEngine, wasmEngineOf } from "../../../src/kernels/wasm/engine.ts"
import { onWasm } from "../device/on-wasm.ts"

// in no binary: what is given to it is looked at first
const kernel = declareKernel({
  name: "ofThisTest",
  buffers: { x: read("f32"), further: optional(read("f32")), y: write("f32") },
  words: { size: "u32", scale: "f32" },
  split: { over: "size", cost: () => 1 }
})

const onEngine = (f: (engine: WasmEngine, x: tf.TensorInfo, y: tf.TensorInfo) => void): Promise<void> =>
  onWasm(() => void tf.tidy(() => f(wasmEngineOf(tf.backend())!, tf.tensor1d([1, 2, 3]), tf.tensor1d([4, 5, 6]))))

const LIST = "declared: size, scale; given:"

test("words and buffers that are missing, misspelt or too many do not compile, and throw from JavaScript", () =>
  onEngine((engine, x, y) => {
    // @ts-expect-error: a word is missing
    expect(() => engine.run(kernel, { x, y }, { size: 3 })).toThrow(`ofThisTest: words lack scale; ${LIST} size`)
    // @ts-expect-error: a word is misspelt
    expect(() => engine.run(kernel, { x, y }, { size: 3, scael: 1 })).toThrow(`words lack scale; ${LIST} size, scael`)
    // @ts-expect-error: a word too many
    expect(() => engine.run(kernel, { x, y }, { size: 3, scale: 1, more: 1 })).toThrow("words: unknown more")
    // @ts-expect-error: no number
    expect(() => engine.run(kernel, { x, y }, { size: 3, scale: "1" })).toThrow("words lack scale")
    // @ts-expect-error: a buffer is missing
    expect(() => engine.run(kernel, { x }, { size: 3, scale: 1 })).toThrow("ofThisTest: buffers lack y; declared")
    // @ts-expect-error: a buffer too many
    expect(() => engine.run(kernel, { x, y, z: x }, { size: 3, scale: 1 })).toThrow("buffers: unknown z")
    // @ts-expect-error: an address is not a number
    expect(() => engine.run(kernel, { x, y: 8 }, { size: 3, scale: 1 })).toThrow("buffers lack y")
  }))

test("a kernel that is misspelt, undeclared or in no binary throws", () =>
  onEngine((engine, x, y) => {
    // @ts-expect-error: a name is no kernel
    expect(() => engine.run("gelu", { x, y }, { size: 3 })).toThrow('"gelu" is not a declared kernel')
    // @ts-expect-error: what a misspelt import is in JavaScript
    expect(() => engine.run(undefined, { x, y }, { size: 3 })).toThrow("undefined is not a declared kernel")
    expect(() => engine.run({ ...kernel }, { x, y }, { size: 3, scale: 1 })).toThrow(
      '"ofThisTest" is not a declared kernel'
    )
    expect(() => engine.run(kernel, { x, y }, { size: 3, scale: 1 })).toThrow("no kernel ofThisTest")
    expect(() => engine.run(kernel, { x, further: x, y }, { size: 3, scale: 1 })).toThrow("no kernel ofThisTest")
  }))

test("a name is declared once", () => {
  const again = () => declareKernel({ name: "ofThisTest", buffers: {}, words: {} })
  expect(again).toThrow("kernel ofThisTest is already declared")
  const twice = () => declareKernel({ name: "twice", buffers: { x: read("f32") }, words: { x: "u32" } })
  expect(twice).toThrow("kernel twice: duplicate field")
})

test("arguments lie as a compiler of C would put them", () => {
  const list = declareKernel({
    name: "listOfThisTest",
    buffers: {},
    words: { damping: "f64" },
    entry: { a: read("f32"), scale: "f64" }
  })
  const { className, fields, size, entry, entrySize } = layoutOf(list)
  expect(className).toBe("ListOfThisTest")
  expect(fields.map(({ name, at }) => [name, at])).toEqual([
    ["damping", 0],
    ["entries", 2],
    ["perChunk", 3]
  ])
  expect(size).toBe(4)
  expect(entry.map(({ name, at }) => [name, at])).toEqual([
    ["a", 0],
    ["scale", 2]
  ])
  expect(entrySize).toBe(4)
})
