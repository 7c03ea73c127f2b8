/**
 * The webgpu device inside one process: its errors are fatal and named, its limits checked, its end leaves the former
 * backend.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { layer } from "../../../src/device/bun.ts"
import { Device, ofDevice } from "../../../src/device/device.ts"
import { DeviceError } from "../../../src/device/device-error.ts"
import { isSoftware } from "../../../src/device/webgpu-adapter.ts"
import { read, write } from "../../../src/kernels/declaration.ts"
import { webgpuEngineOf } from "../../../src/kernels/webgpu/engine.ts"
import { program } from "../../../src/kernels/webgpu/program.ts"
import { webgpu } from "../../runtime/runtimes.ts"
import { expectClose, tolerance } from "../../setup.ts"
import { random, tensorOf } from "./on-wasm.ts"

const onGpu = <A, E>(program: Effect.Effect<A, E, Device>): Promise<A> =>
  Effect.runPromise(Effect.scoped(Effect.provide(program, Layer.fresh(layer("webgpu")))))

const gpuDevice = (): GPUDevice => (tf.backend() as unknown as { device: GPUDevice }).device

/** A buffer that no device can make: mapped for reading and bound as storage at once. */
const invalidBuffer = () =>
  gpuDevice().createBuffer({ size: 64, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE })

/** A dispatch of more workgroups than any device takes. */
const invalidDispatch = () => {
  const device = gpuDevice()
  const module = device.createShaderModule({ code: "@compute @workgroup_size(1) fn main() {}" })
  const pipeline = device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } })
  const encoder = device.createCommandEncoder()
  const pass = encoder.beginComputePass()
  pass.setPipeline(pipeline)
  pass.dispatchWorkgroups(2 ** 24)
  pass.end()
  device.queue.submit([encoder.finish()])
}

describe.skipIf(!webgpu.exists)("the webgpu device", () => {
  for (const [what, provoke] of [
    ["buffer", invalidBuffer],
    ["dispatch", invalidDispatch]
  ] as const) {
    test(`an invalid ${what} fails the next sync, with the label it happened under, and that one alone`, async () => {
      const error = await onGpu(
        Effect.gen(function* () {
          const device = yield* Device
          yield* device.sync
          device.label("step 7")
          provoke()
          device.label("step 8")
          const error = yield* Effect.flip(device.sync)
          yield* device.sync
          return error
        })
      )
      expect(error._tag).toBe("DeviceError")
      expect(error.site).toBe("step 7")
      expect(error.message).toMatch(/^webgpu: step 7: .+ results since the last check are invalid/s)
    })
  }

  test("an error without a label is not lost", async () => {
    const error = await onGpu(
      Effect.gen(function* () {
        const device = yield* Device
        invalidDispatch()
        return yield* Effect.flip(device.sync)
      })
    )
    expect(error.site).toBe("start")
  })

  describe("an error of a kernel", () => {
    const of = (name: string, workgroup: number, body: string) =>
      program({ name, buffers: { x: read("vec4f"), y: write("vec4f") }, words: {}, workgroup, body })
    const copy = "fn kernel(group: u32, local: u32) { y[local] = x[local]; }"
    const engine = () => webgpuEngineOf(tf.backend())!
    const run = (name: string, workgroup: number, body: string, bytes = 256) => {
      const y = { ...engine().scratch(64), size: bytes }
      engine().run(of(name, workgroup, body), { x: tf.ones([64]), y }, {}, 1)
    }
    const provocations: Record<string, readonly [kernel: string, provoke: () => void]> = {
      "whose text is wrong": ["Wrong Text", () => run("Wrong Text", 16, copy.replace("x[local]", "x[nothing]"))],
      "that wants too large a workgroup": ["Too Large", () => run("Too Large", 2048, copy)],
      "whose binding is too small": ["Small Binding", () => run("Small Binding", 16, copy, 8)],
      "that is one of several in a submit": [
        "Small Binding",
        () => {
          run("Fine", 16, copy.replace("x[local]", "2.0 * x[local]"))
          run("Small Binding", 16, copy, 8)
          run("Fine", 16, copy.replace("x[local]", "2.0 * x[local]"))
        }
      ],
      "that is tfjs' own": [
        "UnaryOpProgram",
        () => {
          const backend = tf.backend() as unknown as { tensorToBinding: (tensor: object) => object }
          const { tensorToBinding } = backend
          const x = tf.add(tf.ones([2000]), tf.ones([2000]))
          backend.tensorToBinding = (tensor) => ({ ...tensorToBinding.call(backend, tensor), size: 2 })
          tf.exp(x)
          backend.tensorToBinding = tensorToBinding
        }
      ]
    }
    for (const [what, [kernel, provoke]] of Object.entries(provocations)) {
      test(`${what} names it`, async () => {
        const [error, later] = await onGpu(
          Effect.gen(function* () {
            const device = yield* Device
            device.label("step 7")
            provoke()
            const error = yield* Effect.flip(device.sync)
            // the device is as good as before
            const values = yield* Effect.promise(() => tf.exp(tf.zeros([2000])).data())
            yield* device.sync
            return [error, values] as const
          })
        )
        expect(error).toMatchObject({ kernel, site: "step 7" })
        expect(error.message).toStartWith(`webgpu: step 7: kernel ${kernel}: `)
        // the error itself, not what it made of everything after
        expect(error.reason).not.toContain("previous error")
        expect(later).toEqual(new Float32Array(2000).fill(1))
      })
    }
  })

  describe("a device that is lost", () => {
    test("is an error of every sync from then on, and why a tensor cannot be read", async () => {
      const [errors, refused] = await onGpu(
        Effect.gen(function* () {
          const device = yield* Device
          device.label("step 3")
          const sum = tf.sum(tf.ones([1000]))
          gpuDevice().destroy()
          const refused = yield* Effect.promise(() => sum.data().then(String, (cause) => cause))
          return [[yield* Effect.flip(device.sync), yield* Effect.flip(device.sync)], refused] as const
        })
      )
      for (const error of [...errors, refused]) {
        expect(error).toBeInstanceOf(DeviceError)
        expect(error.message).toMatch(/^webgpu: step 3: the device was lost: .*destroyed/)
      }
    })

    test("is what a program failed of, whatever the program says or throws", async () => {
      const outcomes = {
        "what it failed with": Effect.fail(new Error("the loss is NaN")),
        "what it threw": Effect.sync(() => {
          throw new Error("no mapped range")
        })
      }
      for (const program of Object.values(outcomes)) {
        const sound = await onGpu(Effect.exit(ofDevice(program)))
        expect(String(sound)).toMatch(/the loss is NaN|no mapped range/)
        const error = await onGpu(
          Effect.flip(
            ofDevice(
              Effect.andThen(
                Effect.sync(() => gpuDevice().destroy()),
                program
              )
            )
          )
        )
        expect(error).toBeInstanceOf(DeviceError)
      }
      const refusal = new DeviceError({ device: "webgpu", site: "step 1", reason: "too large", remedy: "" })
      const thrown = Effect.sync(() => {
        throw refusal
      })
      expect(await onGpu(Effect.flip(ofDevice(thrown)))).toBe(refusal)
    })
  })

  test("a tensor above the binding limit is refused when it is made", async () => {
    await onGpu(
      Effect.gen(function* () {
        const device = yield* Device
        const limit = gpuDevice().limits.maxStorageBufferBindingSize
        const chunk = tf.zeros([1024, 1024])
        expect(() => tf.tile(chunk, [Math.ceil(limit / 2 ** 22) + 1, 1])).toThrow(/maxStorageBufferBindingSize/)
        yield* device.sync
      })
    )
  })

  test("matrix products in all forms equal the cpu's, and are the same bits twice", async () => {
    const next = random(1)
    const shapes = [
      [3, 40, 70],
      [3, 40, 50]
    ]
    const values = await Promise.all(shapes.map((shape) => tensorOf(shape, next).data()))
    const products = async () => {
      const [a, b] = values.map((value, i) => tf.tensor(value, shapes[i]!)) as [tf.Tensor, tf.Tensor]
      // [8, 16384]·[16384, 64], which tfjs by itself adds up in any order
      const piece = tf.slice(a, [0, 0, 0], [1, 32, 64])
      const [narrow, wide] = [
        tf.tile(tf.reshape(piece, [256, 8]), [64, 1]),
        tf.tile(tf.reshape(piece, [32, 64]), [512, 1])
      ]
      const all = [tf.matMul(a, b, true), tf.matMul(b, a, true), tf.matMul(a, tf.transpose(b, [0, 2, 1]), true, true)]
      return Promise.all([...all, tf.matMul(narrow, wide, true)].map((tensor) => tensor.data()))
    }
    const cpu = await products()
    await onGpu(
      Effect.gen(function* () {
        const device = yield* Device
        const [first, second] = [yield* Effect.promise(products), yield* Effect.promise(products)]
        yield* device.sync
        first.forEach((numbers, i) => {
          expectClose(numbers, cpu[i]!, tolerance.forward)
        })
        expect(second).toEqual(first)
        expect(device.peakGpuBytes()).toBeGreaterThan(16384 * 8 * 4)
      })
    )
  })

  test("opens a second time, and the former backend is back afterwards", async () => {
    await tf.setBackend("cpu")
    await onGpu(Effect.sync(() => expect(tf.getBackend()).toBe("webgpu")))
    expect(tf.getBackend()).toBe("cpu")
  })
})

test("software adapters are known by any of their names", () => {
  const info = { vendor: "", architecture: "", device: "", description: "", isFallbackAdapter: false } as GPUAdapterInfo
  expect(isSoftware({ ...info, description: "NVIDIA H100" })).toBe(false)
  expect(isSoftware({ ...info, description: "llvmpipe (LLVM 19.1.7, 256 bits)" })).toBe(true)
  expect(isSoftware({ ...info, architecture: "swiftshader" })).toBe(true)
  expect(isSoftware({ ...info, device: "Microsoft Basic Render Driver" })).toBe(true)
  expect(isSoftware({ ...info, isFallbackAdapter: true })).toBe(true)
})
