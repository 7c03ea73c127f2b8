/** The engine of our own GPU programs: tensors that share a buffer are tensors to tfjs too, and what a dispatch may be. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Tensor, TensorInfo } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { read, write } from "../../../src/kernels/declaration.ts"
import { groupsFor, type WebgpuEngine } from "../../../src/kernels/webgpu/engine.ts"
import { program } from "../../../src/kernels/webgpu/program.ts"
import { webgpu } from "../../runtime/runtimes.ts"
import { holdWebgpu, onWebgpu } from "./on-webgpu.ts"

const WORKGROUP = 64

const line = program({
  name: "Line",
  buffers: { x: read("f32"), y: write("f32") },
  words: { size: "u32", slope: "f32", start: "i32" },
  workgroup: WORKGROUP,
  body: `fn kernel(group: u32, local: u32) {
  let i = group * ${WORKGROUP}u + local;
  if (i < words.size) { y[i] = words.slope * x[i] + f32(words.start); }
}`
})

const tensorOf = (info: TensorInfo): Tensor => tf.engine().makeTensorFromTensorInfo(info)
const bytesInUse = () => (tf.memory() as unknown as { numBytesInGPU: number }).numBytesInGPU

/** slope·x + start */
const lineOf = (engine: WebgpuEngine, x: Tensor, slope: number, start: number): Tensor => {
  const y = engine.output(x.shape)
  engine.run(line, { x, y }, { size: x.size, slope, start }, groupsFor(x.size, WORKGROUP))
  return tensorOf(y)
}

/** Two tensors in one buffer, twice what is given. */
const inOneBuffer = (engine: WebgpuEngine, tensors: ReadonlyArray<Tensor>): ReadonlyArray<Tensor> => {
  const from = engine.together(tensors)
  const to = engine.outputs(tensors.map(({ shape }) => shape))
  const size = from.span.size / 4
  const words = { size, slope: 2, start: 0 }
  engine.run(line, { x: from.span, y: to.span }, words, groupsFor(size, WORKGROUP))
  engine.release(from.span)
  return to.tensors.map(tensorOf)
}

describe.skipIf(!webgpu.exists)("the webgpu engine", () => {
  const held = holdWebgpu()
  beforeAll(held.open)
  afterAll(held.close)

  test("tensors that share a buffer are read, computed with by tfjs, and given to programs, each for itself", () =>
    onWebgpu(async (engine) => {
      const given = [tf.tensor1d([1, 2, 3]), tf.tensor2d([4, 5, 6, 7], [2, 2]), tf.scalar(8)]
      const shared = inOneBuffer(engine, given)
      const own = await Promise.all(shared.map((tensor) => tensor.data()))
      expect(own.map((data) => Array.from(data))).toEqual([[2, 4, 6], [8, 10, 12, 14], [16]])
      // tfjs's programs, of them and of what is made of them
      expect(Array.from(await tf.add(shared[1]!, shared[2]!).data())).toEqual([24, 26, 28, 30])
      expect(Array.from(await tf.reshape(shared[1]!, [4]).data())).toEqual([8, 10, 12, 14])
      expect(Array.from(await lineOf(engine, shared[1]!, 1, -8).data())).toEqual([0, 2, 4, 6])
    }))

  test("the buffer lives as long as one of them", async () => {
    const before = await onWebgpu(bytesInUse)
    await onWebgpu(async (engine) => {
      const given = [tf.tensor1d([1, 2, 3]), tf.tensor1d([4, 5])]
      const [first, second] = inOneBuffer(engine, given)
      first!.dispose()
      // of the size of the shared buffer: none of them may get it
      const x = tf.ones([128])
      const others = Array.from({ length: 8 }, () => lineOf(engine, x, 9, 9))
      expect(Array.from(await second!.data())).toEqual([8, 10])
      tf.dispose([...given, second!, x, ...others])
    })
    expect(await onWebgpu(bytesInUse)).toBe(before)
  })

  test("together copies what lies apart, in runs, and nothing that lies together", () =>
    onWebgpu(async (engine) => {
      const shared = inOneBuffer(engine, [tf.tensor1d([1, 2]), tf.tensor1d([3]), tf.tensor1d([4])])
      const same = engine.together(shared)
      expect(same.starts).toEqual([0, 64, 128])
      expect(engine.together(shared).span).toEqual(same.span)
      expect(engine.together(shared.slice(1)).span).toEqual({ ...same.span, offset: 256, size: 512 })
      // another order, and one from elsewhere between them, lie apart
      for (const list of [
        [shared[1]!, shared[0]!],
        [shared[0]!, tf.tensor1d([5]), shared[1]!]
      ]) {
        const arena = engine.together(list)
        expect(arena.span.buffer).not.toBe(same.span.buffer)
        const y = engine.output([arena.span.size / 4])
        const words = { size: arena.span.size / 4, slope: 1, start: 0 }
        engine.run(line, { x: arena.span, y }, words, groupsFor(words.size, WORKGROUP))
        const found = await tensorOf(y).data()
        const expected = await Promise.all(list.map((tensor) => tensor.data()))
        for (const [i, values] of expected.entries())
          expect(Array.from(found.slice(arena.starts[i]!, arena.starts[i]! + values.length))).toEqual(
            Array.from(values)
          )
        engine.release(arena.span)
      }
    }))

  test("each dispatch has its own words, also when there are more than one submit takes", () =>
    onWebgpu(async (engine) => {
      const one = tf.ones([3])
      const many = Array.from({ length: 300 }, (_, i) => lineOf(engine, one, i / 4, -i))
      const found = await Promise.all(many.map((tensor) => tensor.data()))
      expect(found.map((data) => data[2])).toEqual(many.map((_, i) => i / 4 - i))
    }))

  test("more than 65,535 workgroups are one dispatch", () =>
    onWebgpu(async (engine) => {
      const size = WORKGROUP * 65_535 + 100
      const data = await lineOf(engine, tf.ones([size]), 3, 1).data()
      expect([data[0], data[WORKGROUP * 65_535], data.at(-1)]).toEqual([4, 4, 4])
      expect(data.every((value) => value === 4)).toBe(true)
    }))

  test("words and buffers that are missing or too many do not compile, and throw from JavaScript", () =>
    onWebgpu((engine) => {
      const [x, y] = [tf.ones([5]), engine.output([5])]
      // @ts-expect-error: a word is missing
      expect(() => engine.run(line, { x, y }, { size: 5, slope: 1 }, 1)).toThrow("Line: words lack start")
      // @ts-expect-error: a word too many
      expect(() => engine.run(line, { x, y }, { size: 5, slope: 1, start: 0, end: 1 }, 1)).toThrow("words: unknown end")
      // @ts-expect-error: a buffer is misspelt
      expect(() => engine.run(line, { x, z: y }, { size: 5, slope: 1, start: 0 }, 1)).toThrow("buffers lack y")
    }))

  test("a buffer that would be read and written at once is refused, with the program's name", () =>
    onWebgpu((engine) => {
      const x = tf.ones([5])
      expect(() => engine.run(line, { x, y: x }, { size: 5, slope: 1, start: 0 }, 1)).toThrow(
        /Line: y, which it writes, overlaps x/
      )
    }))

  test("equal steps make no bind group after the first few, whatever order their tensors are given back in", () =>
    onWebgpu(async (engine) => {
      const { device } = tf.backend() as unknown as { device: GPUDevice }
      const { createBindGroup } = device
      let made = 0
      device.createBindGroup = (descriptor) => {
        made++
        return createBindGroup.call(device, descriptor)
      }
      const x = tf.ones([1000])
      const step = (i: number) => {
        const layers = Array.from({ length: 6 }, (_, layer) => lineOf(engine, x, layer, 1))
        const next = layers.map((layer) => lineOf(engine, layer, 2, 0))
        const all = [...layers, ...next]
        // in another order each time: the multiples of a number are a permutation modulo the prime 13
        tf.dispose(all.map((_, j) => all[((((i % 11) + 2) * (j + 1)) % 13) - 1]!))
      }
      for (let i = 0; i < 8; i++) step(i)
      made = 0
      for (let i = 0; i < 16; i++) step(i)
      device.createBindGroup = createBindGroup
      expect(made).toBe(0)
    }))
})

test("a program binds no more buffers than every implementation grants", () => {
  const buffers = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`x${i}`, read("f32")]))
  expect(() => program({ name: "Nine", buffers, words: {}, workgroup: 1, body: "" })).toThrow(
    "Nine binds 9 buffers: the maximum is 8"
  )
})
