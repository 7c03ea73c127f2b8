/** Idle GPU memory: bounded whatever shapes come, constant over equal steps, and never at the cost of a number. */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { read, write } from "../../../src/kernels/declaration.ts"
import { webgpuBackend } from "../../../src/kernels/webgpu/backend.ts"
import { groupsFor, webgpuEngineOf } from "../../../src/kernels/webgpu/engine.ts"
import { program } from "../../../src/kernels/webgpu/program.ts"
import { webgpu } from "../../runtime/runtimes.ts"
import { onWebgpu } from "./on-webgpu.ts"

const MiB = 2 ** 20

const booksOf = () => {
  const { bufferManager } = webgpuBackend(tf.backend())
  const idle = [...bufferManager.freeBuffers.values()].flat()
  return {
    allocated: bufferManager.numBytesAllocated,
    used: bufferManager.numBytesUsed,
    idle: idle.reduce((sum, { size }) => sum + size, 0),
    idleBuffers: idle.length,
    countedIdle: bufferManager.numFreeBuffers
  }
}

/** tfjs' own books agree with what lies there. */
const expectSound = () => {
  const { allocated, used, idle, idleBuffers, countedIdle } = booksOf()
  expect(allocated).toBe(used + idle)
  expect(countedIdle).toBe(idleBuffers)
}

/** The most bytes in use from here on. */
const mostUsed = (): (() => number) => {
  const { bufferManager } = webgpuBackend(tf.backend())
  const { acquireBuffer } = bufferManager
  let most = 0
  bufferManager.acquireBuffer = (...options) => {
    const buffer = acquireBuffer.apply(bufferManager, options)
    most = Math.max(most, bufferManager.numBytesUsed)
    return buffer
  }
  return () => most
}

const doubled = program({
  name: "Doubled",
  buffers: { x: read("f32"), y: write("f32") },
  words: { size: "u32" },
  workgroup: 64,
  body: `fn kernel(group: u32, local: u32) {
  let i = group * 64u + local;
  if (i < words.size) { y[i] = 2.0 * x[i]; }
}`
})

/** 2x by a program of our own, whose bind groups are remembered by their buffers. */
const double = (x: tf.Tensor): tf.Tensor => {
  const engine = webgpuEngineOf(tf.backend())!
  const y = engine.output(x.shape)
  engine.run(doubled, { x, y }, { size: x.size }, groupsFor(x.size, 64))
  return tf.engine().makeTensorFromTensorInfo(y)
}

describe.skipIf(!webgpu.exists)("the webgpu device's memory", () => {
  test("400 shapes leave little more than what one needs, and the numbers are right", async () => {
    await onWebgpu(async () => {
      const most = mostUsed()
      for (let i = 0; i < 400; i++) {
        // about a megabyte each, no two alike; with tfjs' lists alone 1.2 GB lie idle at the end
        const size = 260_000 + 16 * i
        const x = tf.fill([size], i)
        const y = double(x)
        const z = tf.add(y, 1)
        if (i % 50 === 0 || i === 399) {
          const last = tf.slice(z, [size - 3], [3])
          expect(await last.data()).toEqual(Float32Array.of(2 * i + 1, 2 * i + 1, 2 * i + 1))
          last.dispose()
          expectSound()
        }
        tf.dispose([x, y, z])
      }
      await tf.zeros([1]).data()
      webgpuBackend(tf.backend()).ensureCommandEncoderReady()
      webgpuBackend(tf.backend()).submitQueue()
      const { allocated } = booksOf()
      expect(allocated).toBeLessThanOrEqual(1.25 * most() + 32 * MiB)
      expect(allocated).toBeLessThan(150 * MiB)
      expectSound()
    })
  }, 60_000)

  test("equal steps make no buffer after the first few, and allocate the same", async () => {
    await onWebgpu(async () => {
      const { device } = webgpuBackend(tf.backend())
      const engine = webgpuEngineOf(tf.backend())!
      const x = tf.fill([1000], 7)
      // six times 8 MB come and go in each step, and next to nothing stays
      const step = async () => {
        const spans = Array.from({ length: 6 }, () => engine.scratch(2 ** 21))
        const y = double(x)
        for (const span of spans) engine.release(span)
        // submits, with all six idle
        const [value] = await y.data()
        y.dispose()
        return value
      }
      for (let i = 0; i < 5; i++) expect(await step()).toBe(14)
      const before = booksOf()
      let made = 0
      const createBuffer = device.createBuffer.bind(device)
      device.createBuffer = (descriptor) => {
        // uploads of a few numbers have buffers of their own each time
        if (descriptor.size > 65_536) made++
        return createBuffer(descriptor)
      }
      for (let i = 0; i < 500; i++) expect(await step()).toBe(14)
      expect(made).toBe(0)
      expect(booksOf().allocated).toBe(before.allocated)
      expectSound()
    })
  }, 120_000)

  test("what is used again and again stays, whatever comes and goes beside it", async () => {
    await onWebgpu(async () => {
      const engine = webgpuEngineOf(tf.backend())!
      const first = engine.scratch(2 ** 20)
      engine.release(first)
      const x = tf.fill([1000], 1)
      for (let i = 0; i < 100; i++) {
        const again = engine.scratch(2 ** 20)
        expect(again.buffer).toBe(first.buffer)
        const once = engine.scratch(2 ** 20 + 64 * (i + 1))
        for (const span of [again, once]) engine.release(span)
        const y = double(x)
        await y.data()
        y.dispose()
      }
      expect(booksOf().allocated).toBeLessThan(50 * MiB)
    })
  }, 60_000)

  test("what was needed once is given up when it has not been needed for long", async () => {
    await onWebgpu(async () => {
      const large = tf.fill([30 * MiB], 1)
      const larger = tf.fill([31 * MiB], 1)
      const [sum] = await tf.add(tf.max(large), tf.max(larger)).data()
      expect(sum).toBe(2)
      tf.dispose([large, larger])
      expect(booksOf().allocated).toBeGreaterThan(240 * MiB)
      const backend = webgpuBackend(tf.backend())
      for (let i = 0; i < 600; i++) {
        backend.ensureCommandEncoderReady()
        backend.submitQueue()
      }
      expect(booksOf().allocated).toBeLessThan(40 * MiB)
      expectSound()
    })
  }, 60_000)
})
