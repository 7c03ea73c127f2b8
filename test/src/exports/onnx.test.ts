/** Passes traced without numbers, the sizes that are found by comparing two, and weights in bytes. What engines make of the files: test/e2e/onnx.processes.ts. */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { asymmetric, constantFloats, inBlocks, symmetric } from "../../../src/exports/onnx/precisions.ts"
import { rules, shapes } from "../../../src/exports/onnx/rules.ts"
import { generalized, SizesDiffer, sizeOf } from "../../../src/exports/onnx/sizes.ts"
import { type Placeholders, traced, UnknownOperation } from "../../../src/exports/onnx/trace.ts"
import { onnxWriter } from "../../../src/exports/onnx/writer.ts"
import { gelu, rmsNorm, swiglu } from "../../../src/kernels/index.ts"
import { kinds } from "../../../src/kinds/index.ts"
import { randomStream } from "../../../src/numbers/index.ts"
import { platform } from "../../../src/platform.ts"
import type { DescribedRun } from "../../../src/trained/index.ts"
import { expectClose, tolerance } from "../../setup.ts"
import { erf } from "../kernels/float64.ts"

const backend = async () => {
  await tf.setBackend("cpu")
  return tf.getBackend()
}

type Pass = (placeholders: Placeholders, size: number) => tf.Tensor
const axes = [{ n: 5 }, { n: 7 }] as const
const both = (pass: Pass) =>
  Effect.runPromise(
    traced(
      shapes,
      axes.map(({ n }) => (placeholders: Placeholders) => ({ y: pass(placeholders, n) }))
    )
  ).then(({ traces }) => traces)

test("a size is a number, or a product of axes", () => {
  const at = [
    { batch: 11, length: 5 },
    { batch: 13, length: 7 }
  ] as const
  expect(sizeOf(384, 384, at)).toBe(384)
  expect(sizeOf(11, 13, at)).toEqual({ factor: 1, powers: { batch: 1, length: 0 } })
  expect(sizeOf(12 * 11 * 25, 12 * 13 * 49, at)).toEqual({ factor: 12, powers: { batch: 1, length: 2 } })
  expect(sizeOf(12, 14, at)).toBeUndefined()
})

describe("a trace", () => {
  test("has the calls in their order and the constants, and the backend is what it was", async () => {
    const before = await backend()
    const [small, large] = await both(({ input }, n) =>
      tf.relu(tf.add(tf.reshape(input("x", [n, 2], "float32"), [2 * n]), 3))
    )
    expect(small!.calls.map(({ kernel }) => kernel)).toEqual(["Reshape", "Add", "Relu"])
    expect(small!.values.filter(({ origin }) => origin?.kind === "constant").map(({ origin }) => origin)).toEqual([
      { kind: "constant", values: [3] }
    ])
    const general = generalized([small!, large!], axes)
    expect(general.values[general.outputs["y"]!]!.shape).toEqual([{ factor: 2, powers: { n: 1 } }])
    expect(tf.getBackend()).toBe(before)
  })

  test("keeps one number for a constant that is the same everywhere, and knows a tensor of the device", async () => {
    await backend()
    const own = tf.tensor1d([1, 2])
    const { traces, constants } = await Effect.runPromise(
      traced(
        shapes,
        axes.map(({ n }) => ({ input }: Placeholders) => ({
          y: tf.mul(tf.add(input("x", [n, 2], "float32"), tf.ones([n, 2])), own)
        }))
      )
    )
    expect(constants).toEqual([own])
    const origins = generalized([traces[0]!, traces[1]!], axes).values.map(({ origin }) => origin)
    expect(origins).toContainEqual({ kind: "constant", values: [1] })
    expect(origins).toContainEqual({ kind: "kept", place: 0 })
    own.dispose()
  })

  test("of two numbers that are the same too", async () => {
    await backend()
    const [small, large] = await both(({ input }, n) => tf.add(input("x", [n, 2], "float32"), tf.ones([2])))
    const origins = generalized([small!, large!], axes).values.map(({ origin }) => origin)
    expect(origins).toContainEqual({ kind: "constant", values: [1] })
  })

  test("names a kernel that no backend has", async () => {
    await backend()
    const failed = await Effect.runPromise(
      Effect.flip(
        traced(shapes, [
          ({ input }) => ({ y: tf.engine().runKernel("Unheard", { x: input("x", [2], "float32") }) as tf.Tensor })
        ])
      )
    )
    expect(failed).toBeInstanceOf(UnknownOperation)
    expect(failed).toMatchObject({ kernel: "Unheard" })
  })

  test("leaves no tensor", async () => {
    await backend()
    const before = tf.memory().numTensors
    await both(({ input }, n) => tf.softmax(gelu(input("x", [n, 2], "float32") as tf.Tensor2D, "erf")))
    expect(tf.memory().numTensors).toBe(before)
  })

  test("names a kernel without a rule", async () => {
    await backend()
    const failed = await both(({ input }, n) => tf.asin(input("x", [n], "float32"))).catch((error) => error)
    expect(String(failed)).toContain("runs tfjs's kernel Asin, which cannot be written as ONNX yet")
    const fiber = Effect.runPromise(
      Effect.flip(traced(shapes, [({ input }) => ({ y: tf.asin(input("x", [2], "float32")) })]))
    )
    expect(await fiber).toBeInstanceOf(UnknownOperation)
    expect(tf.getBackend()).toBe("cpu")
  })

  test.each<[string, Pass, RegExp]>([
    ["constants", ({ input }, n) => tf.add(input("x", [n], "float32"), n), /it uses different constants/],
    [
      "calls",
      ({ input }, n) => (n === 5 ? tf.relu(input("x", [n], "float32")) : tf.tanh(input("x", [n], "float32"))),
      /Relu instead of Tanh/
    ],
    [
      "shapes",
      ({ input }, n) => tf.reshape(input("x", [n], "float32"), n === 5 ? [5, 1] : [1, 7]),
      /a shape is 1 and 7|a shape is 5 and 1/
    ]
  ])("of which two have other %s holds for no size", async (_, pass, message) => {
    await backend()
    const [small, large] = await both(pass)
    const compare = () => generalized([small!, large!], axes)
    expect(compare).toThrow(SizesDiffer)
    expect(compare).toThrow(message)
  })
})

test("a kind is served, or a sentence says what to do instead", async () => {
  const reasons: Array<string> = []
  for (const kind of kinds) {
    const { publisher } = await Effect.runPromise(kind)
    const { served } = await publisher()
    if (typeof served !== "string") continue
    reasons.push(served)
    const run = { kind: { publisher } } as unknown as DescribedRun // all that the format asks of it
    const obstacle = await Effect.runPromise(
      onnxWriter.obstacle(run, { dtype: [] }).pipe(Effect.scoped, Effect.provide(platform))
    )
    expect(obstacle).toBe(served)
  }
  expect(reasons.length).toBeGreaterThan(1)
  for (const reason of reasons) expect(reason).toMatch(/^(is|reads|adapts) .*: use --format [a-z-]+/)
})

describe("weights in bytes", () => {
  const shape = [7, 64] as const
  const random = randomStream(1, "test", "bytes")
  const data = Float32Array.from({ length: 7 * 64 }, (_, i) => (random() - 0.3) * (1 + (i >> 6)))
  const rowOf = (i: number) => i >> 6

  test("are half a step of their row away at most, and 0 is 0", () => {
    data[3] = 0
    const { quantized, scales, zeros } = asymmetric({ shape, data })
    for (const [i, value] of data.entries()) {
      const [scale, zero] = [scales[rowOf(i)]!, zeros[rowOf(i)]!]
      // the zero point is rounded too, which moves the ends by another half
      expect(Math.abs((quantized[i]! - zero) * scale - value)).toBeLessThanOrEqual(scale * 1.001)
    }
    expect(quantized[3]).toBe(zeros[0]!)
  })

  test("of a table are half a step of their row away at most", () => {
    const { quantized, scales } = symmetric({ shape, data })
    for (const [i, value] of data.entries()) {
      expect(Math.abs((quantized[i]! - 128) * scales[rowOf(i)]! - value)).toBeLessThanOrEqual(scales[rowOf(i)]! * 0.501)
    }
  })

  test("in blocks of 32 are a step of their block away at most, and a block's largest is itself", () => {
    const [rows, width] = [7, 48] // a block and a half
    const own = data.slice(0, rows * width)
    const { packed, scales, blocks } = inBlocks({ shape: [rows, width], data: own })
    expect([blocks, packed.length]).toEqual([2, 7 * 2 * 16])
    for (const [i, value] of own.entries()) {
      const [row, column] = [Math.floor(i / width), i % width]
      const block = row * blocks + (column >> 5)
      const byte = packed[block * 16 + ((column & 31) >> 1)]!
      const restored = (((byte >> (4 * (column & 1))) & 15) - 8) * scales[block]!
      // 8 of the other sign would be the 16th value: it is cut to 7
      expect(Math.abs(restored - value)).toBeLessThanOrEqual(Math.abs(scales[block]!) * 1.001)
      if (Math.abs(value + 8 * scales[block]!) < 1e-9) expect(restored).toBeCloseTo(value, 6)
    }
    expect(inBlocks({ shape: [1, 32], data: new Float32Array(32) }).packed).toEqual(new Uint8Array(16).fill(0x88))
  })

  test("of rows of zeros are zeros", () => {
    const nothing = { shape: [1, 2], data: new Float32Array(2) }
    expect(asymmetric(nothing)).toEqual({
      quantized: new Uint8Array(2),
      scales: new Float32Array([1]),
      zeros: new Uint8Array(1)
    })
    expect(symmetric(nothing)).toEqual({ quantized: new Uint8Array([128, 128]), scales: new Float32Array([1]) })
  })
})

/** A graph that computes what is written into it, as ONNX's specification has each node. */
const computing = () => {
  const values = new Map<string, Float64Array>()
  const value = (name: string) => values.get(name)!
  const named = (own: Float64Array) => {
    const name = `v${values.size}`
    values.set(name, own)
    return name
  }
  const each = (act: (...numbers: ReadonlyArray<number>) => number, inputs: ReadonlyArray<string>) => {
    const all = inputs.map(value)
    const length = Math.max(...all.map((own) => own.length))
    return Float64Array.from({ length }, (_, i) => act(...all.map((own) => own[own.length === 1 ? 0 : i]!)))
  }
  const operations: Readonly<Record<string, (...numbers: ReadonlyArray<number>) => number>> = {
    Add: (a, b) => a! + b!,
    Mul: (a, b) => a! * b!,
    Div: (a, b) => a! / b!,
    Sqrt: (a) => Math.sqrt(a!),
    Erf: (a) => erf(a!),
    Tanh: (a) => Math.tanh(a!),
    Sigmoid: (a) => 1 / (1 + Math.exp(-a!))
  }
  const node = (op: string, inputs: ReadonlyArray<string>): string => {
    if (op !== "ReduceMean") return named(each(operations[op]!, inputs))
    const row = value(inputs[0]!)
    return named(Float64Array.of(row.reduce((sum, own) => sum + own, 0) / row.length))
  }
  const float = (number: number) => named(Float64Array.of(number))
  const graph = { node, float, widely: (x: string, act: (x: string, number: typeof float) => string) => act(x, float) }
  return { graph, named, value }
}

test.each([
  ["GeluErf", ({ x }) => gelu(x!, "erf")],
  ["GeluTanh", ({ x }) => gelu(x!, "tanh")],
  ["GeluQuick", ({ x }) => gelu(x!, "quick")],
  ["Swiglu", ({ gate, up }) => swiglu(gate!, up!)],
  ["RmsNorm", ({ x, gamma }) => rmsNorm(x!, null, gamma! as never, 1e-3)],
  ["ResidualRmsNorm", ({ x, residual, gamma }) => rmsNorm(x!, residual!, gamma! as never, 1e-3)]
] as ReadonlyArray<readonly [string, (inputs: Readonly<Record<string, tf.Tensor2D>>) => tf.Tensor]>)(
  "what is written for %s computes what the kernel does",
  async (name, kernel) => {
    await backend()
    const random = randomStream(5, "test", name)
    const inputs = Object.fromEntries(
      ["x", "residual", "gate", "up", "gamma"].map((input) => [
        input,
        Float32Array.from({ length: 33 }, () => 8 * random() - 4)
      ])
    )
    const { graph, named, value } = computing()
    const given = Object.fromEntries(
      Object.entries(inputs).map(([input, own]) => [input, { name: named(Float64Array.from(own)) }])
    )
    const written = rules[name]!.write(graph as never, given as never, { epsilon: 1e-3 }, null as never, [])
    const tensors = Object.fromEntries(
      Object.entries(inputs).map(([input, own]) => [
        input,
        input === "gamma" ? tf.tensor1d(own) : tf.tensor2d(own, [1, 33])
      ])
    ) as Record<string, tf.Tensor2D>
    expectClose(await kernel(tensors).data(), value(written as string), tolerance.operation)
    tf.dispose(tensors)
  }
)

test("a mask's large number stays finite in 16 bits", () => {
  const [bits] = constantFloats("float16", [-1e9]) as Uint16Array
  expect(bits! & 0x7c00).not.toBe(0x7c00)
})

test("every rule is of a kernel that tfjs or this package has", () => {
  const known = new Set(tf.getKernelsForBackend("cpu").map(({ kernelName }) => kernelName))
  const named = Object.keys(rules).filter((name) => !known.has(name) && !known.has(`${name}Alone`))
  expect(named).toEqual([])
})
