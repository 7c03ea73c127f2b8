/** Kernels whose body is an expression: what is evaluated, and what is printed in C and for a GPU. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { printed } from "../../../scripts/kernel-expressions.ts"
import type { ExpressionKernel } from "../../../src/kernels/expression/declared.ts"
import { evaluate } from "../../../src/kernels/expression/evaluate.ts"
import {
  add,
  atLeast,
  count,
  div,
  exp,
  keptIn,
  mul,
  place,
  plus,
  readFrom,
  rounded,
  rowProducts,
  rowProducts64,
  rowSum,
  sub,
  where,
  word
} from "../../../src/kernels/expression/expression.ts"
import { passesOf } from "../../../src/kernels/expression/rows.ts"
import { eachPlace, eachRow } from "../../../src/kernels/webgpu/expression.ts"

const [x, y] = [readFrom("buffer", "x"), readFrom("buffer", "y")]

/** Not declared, so that no binary is to have it. */
const kernelOf = (over: ExpressionKernel["over"], outputs: ExpressionKernel["outputs"]): ExpressionKernel => ({
  kernel: { name: "ofThisTest", buffers: {}, words: {} },
  over,
  reads: { x: "buffer", y: "buffer" },
  words: { f: "f32" },
  outputs
})

test("an expression is computed once however often it is used, and nothing but the outputs is left", async () => {
  await tf.setBackend("cpu")
  const [a, b] = [tf.tensor1d([1, 2, 3]), tf.tensor1d([4, 5, 6])]
  const sum = add(x, mul(y, word("f32", "f")))
  const before = tf.memory().numTensors
  const results = evaluate([mul(sum, sum), exp(sub(sum, sum))], { x: a, y: b }, { f: 2 }, [3])
  expect(tf.memory().numTensors).toBe(before + 2)
  expect(await Promise.all(results.map((it) => it.data()))).toEqual([
    Float32Array.from([81, 144, 225]),
    Float32Array.from([1, 1, 1])
  ])
  expect(a.isDisposed).toBe(false)
  tf.dispose([a, b, ...results])
})

test("what depends on places is computed modulo 2³², compared without a sign", async () => {
  await tf.setBackend("cpu")
  const ones = tf.ones([4])
  const [kept] = evaluate([where(atLeast(plus(place, 2 ** 32 - 2), 2 ** 31), x)], { x: ones }, {}, [4])
  expect(Array.from(await kept!.data())).toEqual([1, 1, 0, 0])
  tf.dispose([ones, kept!])
})

test("printed in the order in which it is written, in C with a rest, words before the loop", () => {
  const own = kernelOf("tensors", { z: add(mul(x, word("f32", "f")), y) })
  const text = printed(own)
  const lines = [
    "splat(f)",
    "for (; i + W <= count; i += W)",
    "= load(x + i);",
    "(value1 * value0)",
    "(value3 + value2)",
    "store(z + i, value4);"
  ]
  const places = [...lines, "load_part(x + i, rest)", "store_part(z + i"].map((line) => text.indexOf(line))
  expect(places).toEqual(places.toSorted((a, b) => a - b))
  expect(places[0]).toBeGreaterThan(0)
  expect(
    eachPlace(own)
      .split("\n")
      .map((line) => line.trim())
  ).toEqual([
    "let value0 = x[i];",
    "let value1 = y[i];",
    "let value2 = (value0 * V(words.f));",
    "let value3 = (value2 + value1);",
    "z[i] = value3;"
  ])
})

test("sums decide the passes over a row; what is kept is stored once and read again", () => {
  const centred = keptIn("z", sub(x, div(rowSum(x), count("f32"))))
  const passes = passesOf({ z: div(centred, rowProducts(centred, centred)), early: add(x, y) })
  expect(passes.map(({ sums }) => sums.length)).toEqual([1, 1, 0])
  const names = (at: ReadonlyArray<readonly [string, unknown]>) => at.map(([buffer]) => buffer)
  expect(passes.map(({ loads }) => names(loads).toSorted())).toEqual([["x", "y"], ["x"], ["z"]])
  expect(passes.map(({ stores }) => names(stores))).toEqual([["early"], ["z"], ["z"]])
})

test("a pass over a row has sums of one width, two of them on a GPU", () => {
  const wide = kernelOf("rows", { z: mul(x, add(rowSum(x), rounded(rowProducts64(x, y)))) })
  expect(() => printed(wide)).toThrow("ofThisTest: float32 and float64 sums in one pass")
  const three = kernelOf("rows", { z: mul(x, add(rowSum(x), add(rowSum(y), rowProducts(x, y)))) })
  expect(() => eachRow(three)).toThrow("3 sums in one pass over a row: the maximum is 2")
})
