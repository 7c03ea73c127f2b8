/**
 * tfjs' sum of two tensors of one shape: what a walk over a tape adds up gradients with, some twenty times in a step. tfjs' own looks its
 * program up by a text and makes a buffer and a bind group each time; broadcasts and other types still go there.
 */
import { getKernel, util } from "@tensorflow/tfjs-core"
import { reads, write } from "../declaration.ts"
import { sizeOf } from "../tensor-lists.ts"
import type { Kernel } from "./backend.ts"
import { LANES, overVectors, type VectorType, vectorFor } from "./elementwise.ts"
import { groupsFor, webgpuEngineOf } from "./engine.ts"
import { program, variants } from "./program.ts"

const WORKGROUP = 64

const addition = variants((type: VectorType) =>
  program({
    name: "Add",
    buffers: { ...reads(type, "a", "b"), sum: write(type) },
    words: { size: "u32" },
    workgroup: WORKGROUP,
    body: `${overVectors(type)}
fn kernel(group: u32, local: u32) {
  let i = group * ${WORKGROUP}u + local;
  if (i < words.size) { sum[i] = a[i] + b[i]; }
}`
  })
)

export const addKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const engine = webgpuEngineOf(call.backend)
    const [a, b] = [call.inputs["a"]!, call.inputs["b"]!]
    const size = sizeOf(a)
    const plain = a.dtype === "float32" && b.dtype === "float32" && util.arraysEqual([...a.shape], [...b.shape])
    if (engine === undefined || !plain || size === 0) return stock(call)
    const sum = engine.output(a.shape)
    const type = vectorFor(size)
    const vectors = size / LANES[type]
    engine.run(addition(type), { a, b, sum }, { size: vectors }, groupsFor(vectors, WORKGROUP))
    return sum
  }

/** Inputs of a program: WebGPU promises eight storage buffers a shader, and one holds the sum. */
const MOST = 7

/**
 * tfjs' sum of a list, pair by pair where it is long. tfjs' own binds all of it to one shader: where that is more than a device has, nothing
 * is computed, and the result is what lay there before.
 */
export const addListKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const [first, ...rest] = Object.values(call.inputs)
    if (rest.length < MOST) return stock(call)
    const { backend } = call
    const add = getKernel("Add", "webgpu")!.kernelFunc as unknown as Kernel
    return rest.reduce((before, own) => {
      const sum = add({ inputs: { a: before, b: own }, attrs: {}, backend })
      if (before !== first) backend.disposeData(before.dataId)
      return sum
    }, first!)
  }
