/**
 * The laws of every kernel that has a reference made of tfjs ops and implementations on the wasm and webgpu engines. A kernel is
 * described once, as a `Lawful`, and `describeLaws` tests it:
 *
 *   same numbers     value and gradients are the reference's, for all sizes in one process, in both orders
 *   a derivative     the gradients are those of the value: central differences of the implementation along a random direction (on wasm)
 *   not finite       NaN, ∞ and −∞ in one place of an input show in the places where they show in the reference, and in no other
 *   nothing          without rows there is a value and a gradient, of the right shapes
 *   untaped          without a tape the value has the bits that it has with one (on wasm)
 *   no leak          with and without a tape, whichever gradients are wanted
 *   same bits        one thread and three; twice on a GPU
 *
 * The reference runs on tfjs's cpu backend.
 */
import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test"
import { existsSync } from "node:fs"
import { join } from "node:path"
import type { Scalar, Tensor, TensorInfo } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { write } from "../../../src/kernels/declaration.ts"
import { wasmBackend } from "../../../src/kernels/wasm/backend.ts"
import { provideWasmEngine, type WasmEngine, wasmEngineOf } from "../../../src/kernels/wasm/engine.ts"
import { groupsFor, provideWebgpuEngine, type Span, type WebgpuEngine } from "../../../src/kernels/webgpu/engine.ts"
import { program } from "../../../src/kernels/webgpu/program.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { webgpu } from "../../backends.ts"
import { expectNoLeak } from "../../setup.ts"
import { onWasm } from "../device/on-wasm.ts"
import { holdWebgpu, onWebgpu } from "../device/on-webgpu.ts"
import { normals } from "./float64.ts"
import { sameBits } from "./same-bits.ts"

/** A tensor on the host; int32 if its values are. */
export interface Host {
  readonly shape: ReadonlyArray<number>
  readonly values: Float32Array | Int32Array
}

/** Normal numbers that the name and the shape determine. */
export const normalHost = (name: string, ...shape: ReadonlyArray<number>): Host => ({
  shape,
  values: normals(sizeOf(shape), `${name}${shape}`)
})

export interface Lawful<Name extends string, Size> {
  readonly name: string
  /** at least three, of odd lengths among them */
  readonly sizes: ReadonlyArray<Size>
  /** more sizes, where float32 cannot follow a small change of the input: no central differences of these */
  readonly steep?: ReadonlyArray<Size>
  /** one that is several chunks for every kernel */
  readonly large: Size
  /** without rows */
  readonly empty: Size
  readonly inputs: (size: Size) => Readonly<Record<Name, Host>>
  readonly run: (inputs: Readonly<Record<Name, Tensor>>, size: Size) => Tensor
  readonly differentiable: ReadonlyArray<NoInfer<Name>>
  /** why the reference shows what is not finite in too many places: that law is then not tested here */
  readonly smears?: string
  /** the functions of `src/kernels/c/` that value and gradients take */
  readonly functions: ReadonlyArray<string>
  /** the programs that value and gradients take on a GPU; absent where tfjs's own do */
  readonly shaders?: ReadonlyArray<string>
}

/** Relative to the largest number: of a value, and of a gradient, which is a sum over more terms. */
const FORWARD = 1e-5
const GRADIENT = 1e-4
/** A gradient that vanishes is rounding, to be measured by what the others hold. */
const VANISHING = 1e-2

/** The step of central differences, in units of the inputs' deviation: the error of its square and that of float32's digits over it meet */
const STEP = 2 ** -8
/** of both, times the curvature of a softmax or of a normalization over three numbers */
const DIFFERENCES = 3e-3

const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((product, n) => product * n, 1)

const upload = ({ shape, values }: Host): Tensor =>
  tf.tensor(values, [...shape], values instanceof Int32Array ? "int32" : "float32")

const download = async (tensor: Tensor): Promise<Host> => {
  const values = (await tensor.data()) as Float32Array
  return { shape: tensor.shape, values: values.slice() }
}

const bitsOf = ({ values }: Host) => new Uint32Array(values.slice().buffer)

interface Outcome {
  readonly value: Host
  /** the value on a tape, for which more may be computed */
  readonly taped: Host
  /** in the order of `differentiable` */
  readonly gradients: ReadonlyArray<Host>
}

type Hosts<Name extends string> = Readonly<Record<Name, Host>>

const uploadAll = <Name extends string>(hosts: Hosts<Name>): Readonly<Record<Name, Tensor>> =>
  Object.fromEntries(Object.entries<Host>(hosts).map(([name, host]) => [name, upload(host)])) as Record<Name, Tensor>

/** The dy of a value of this shape. */
const slopesOf = (shape: ReadonlyArray<number>): Host => normalHost("dy", ...shape)

/** y, y on a tape, and the gradients of Σ y∘dy. */
const differentiated = <Name extends string, Size>(
  { run, differentiable }: Lawful<Name, Size>,
  inputs: Readonly<Record<Name, Tensor>>,
  size: Size
): ReadonlyArray<Tensor> =>
  tf.tidy(() => {
    const value = run(inputs, size)
    const dy = upload(slopesOf(value.shape))
    const taped: Array<Tensor> = []
    const { gradients } = valueAndGradients(
      () => {
        taped.push(tf.keep(run(inputs, size)))
        return tf.sum(tf.mul(taped[0]!, dy)) as Scalar
      },
      differentiable.map((name) => inputs[name])
    )
    return [value, ...taped, ...gradients]
  })

const outcomeOf = async <Name extends string, Size>(
  kernel: Lawful<Name, Size>,
  size: Size,
  hosts: Hosts<Name> = kernel.inputs(size)
): Promise<Outcome> => {
  const inputs = uploadAll(hosts)
  const tensors = differentiated(kernel, inputs, size)
  const [value, taped, ...gradients] = await Promise.all(tensors.map(download))
  tf.dispose([...tensors, ...Object.values<Tensor>(inputs)])
  return { value: value!, taped: taped!, gradients }
}

const largestOf = ({ values }: Host): number => {
  let most = 0
  for (const x of values) most = Math.max(most, Math.abs(x))
  return most
}

/** Fails with the measured error. */
const expectWithin = (actual: Host, expected: Host, scale: number, bound: number, says: string): void => {
  expect({ says, shape: actual.shape }).toEqual({ says, shape: expected.shape })
  const error = largestOf({ ...expected, values: Float32Array.from(expected.values, (x, i) => x - actual.values[i]!) })
  expect({ says, close: error <= bound * scale, error: error <= bound * scale ? 0 : error / scale }).toEqual({
    says,
    close: true,
    error: 0
  })
}

const expectSame = (actual: Outcome, expected: Outcome, says: string): void => {
  for (const value of [actual.value, actual.taped]) {
    expectWithin(value, expected.value, largestOf(expected.value), FORWARD, `the value of ${says}`)
  }
  const most = Math.max(...expected.gradients.map(largestOf))
  for (const [i, gradient] of expected.gradients.entries()) {
    const scale = Math.max(largestOf(gradient), VANISHING * most)
    expectWithin(actual.gradients[i]!, gradient, scale, GRADIENT, `gradient ${i} of ${says}`)
  }
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** Compares the gradient of one input with central differences along a random direction. */
const expectDerivative = async <Name extends string, Size>(
  kernel: Lawful<Name, Size>,
  size: Size,
  name: Name,
  gradient: Host
): Promise<void> => {
  const hosts = kernel.inputs(size)
  const direction = normals(hosts[name].values.length, `direction of ${String(name)}`)
  const moved = (h: number) =>
    Float32Array.from(hosts[name].values as Float32Array, (x, i) => x + h * direction[i]!) as Float32Array
  const [above, below] = [moved(STEP), moved(-STEP)]
  const total = async (values: Float32Array) => {
    const y = tf.tidy(() => kernel.run(uploadAll({ ...hosts, [name]: { ...hosts[name], values } }), size))
    const sum = dot(await y.data(), slopesOf(y.shape).values)
    y.dispose()
    return sum
  }
  // what float32 holds of the way from one to the other
  const way = Float64Array.from(above, (x, i) => x - below[i]!)
  const difference = (await total(above)) - (await total(below))
  const expected = dot(gradient.values, way)
  const norm = (x: ArrayLike<number>) => Math.sqrt(dot(x, x))
  // a sum of n products of either sign
  const scale = (norm(gradient.values) * norm(way)) / Math.sqrt(way.length)
  const floor = (1e-6 * STEP * norm(slopesOf(gradient.shape).values)) / Math.sqrt(way.length)
  const error = Math.abs(difference - expected) / Math.max(scale, floor)
  expect({ size, name, error: error <= DIFFERENCES ? 0 : error }).toEqual({ size, name, error: 0 })
}

/** A letter for each number: finite, not a number, ∞, −∞. */
const kindsOf = ({ values }: Host): string =>
  Array.from(values, (x) => (Number.isFinite(x) ? "." : Number.isNaN(x) ? "?" : x > 0 ? "+" : "-")).join("")

/** Copies of the inputs with one bad number in one place of one of them. */
const spoilt = <Name extends string>(hosts: Hosts<Name>): ReadonlyArray<readonly [string, Hosts<Name>]> =>
  Object.entries<Host>(hosts).flatMap(([name, host]) => {
    if (host.values instanceof Int32Array) return []
    const last = host.values.length - 1
    // each place with one bad number, and each bad number in one place
    const bad = new Map([
      [`NaN at 0`, [0, Number.NaN]],
      [`NaN at ${last >> 1}`, [last >> 1, Number.NaN]],
      [`NaN at ${last}`, [last, Number.NaN]],
      [`∞ at ${last}`, [last, Number.POSITIVE_INFINITY]],
      [`−∞ at 0`, [0, Number.NEGATIVE_INFINITY]]
    ] as ReadonlyArray<readonly [string, readonly [at: number, bad: number]]>)
    return [...bad].map(([says, [at, number]]) => {
      const values = host.values.slice()
      values[at] = number
      return [`${says} of ${name}`, { ...hosts, [name]: { ...host, values } }] as const
    })
  })

/** Runs `f` on wasm, where every new tensor holds NaN: what a kernel leaves as it was shows. */
const onDirtyWasm = <A>(f: () => Promise<A>): Promise<A> =>
  onWasm(() => {
    const backend = wasmBackend(tf.backend())
    const own = backend.makeOutput
    backend.makeOutput = (shape, dtype) => {
      const out = own.call(backend, shape, dtype)
      const at = backend.dataIdMap.get(out.dataId).memoryOffset
      backend.wasm.HEAPU8.fill(0xff, at, at + tf.util.bytesPerElement(dtype) * sizeOf(shape))
      return out
    }
    return f()
  })

const fill = program({
  name: "Fill",
  buffers: { to: write("f32") },
  words: { size: "u32" },
  workgroup: 64,
  body: `fn kernel(group: u32, local: u32) {
  if (group * 64u + local < words.size) { to[group * 64u + local] = notANumber(); }
}`
})

/** Runs `f` on a GPU where every new tensor of ours holds NaN; `ran` is told the name of each program. */
const onDirtyWebgpu = <A>(f: () => Promise<A>, ran: (name: string) => void = () => {}): Promise<A> =>
  onWebgpu(async (engine) => {
    const backend = tf.backend()
    const dirty = (to: TensorInfo | Span, size: number) => engine.run(fill, { to }, { size }, groupsFor(size, 64))
    const output: WebgpuEngine["output"] = (shape, dtype) => {
      const out = engine.output(shape, dtype)
      dirty(out, sizeOf(shape))
      return out
    }
    const outputs: WebgpuEngine["outputs"] = (shapes) => {
      const arena = engine.outputs(shapes)
      dirty(arena.span, arena.span.size / 4)
      return arena
    }
    const scratch: WebgpuEngine["scratch"] = (elements) => {
      const span = engine.scratch(elements)
      dirty(span, elements)
      return span
    }
    const run: WebgpuEngine["run"] = (own, ...given) => {
      ran(own.name)
      engine.run(own, ...given)
    }
    provideWebgpuEngine(backend, { ...engine, output, outputs, scratch, run })
    try {
      return await f()
    } finally {
      provideWebgpuEngine(backend, engine)
    }
  })

/** Runs `f` on wasm, and answers with the most chunks that each function of `src/kernels/c/` was given. */
export const chunksIn = (f: () => unknown): Promise<ReadonlyMap<string, number>> =>
  onWasm(() => {
    const backend = wasmBackend(tf.backend())
    const engine = wasmEngineOf(backend)!
    const most = new Map<string, number>()
    const run: WasmEngine["run"] = (own, ...given) => {
      const chunks = engine.run(own, ...given)
      most.set(own.name, Math.max(chunks, most.get(own.name) ?? 0))
      return chunks
    }
    provideWasmEngine(backend, { ...engine, run })
    tf.tidy(() => void f())
    provideWasmEngine(backend, engine)
    return most
  })

/** Every kind of every outcome, with one bad number in one place: a half of the pairs of place and number in each size, the other in the next. */
const kindsOfSpoilt = async <Name extends string, Size>(kernel: Lawful<Name, Size>, sizes: ReadonlyArray<Size>) => {
  const found = new Map<string, ReadonlyArray<string>>()
  for (const [i, size] of sizes.entries()) {
    for (const [says, hosts] of spoilt(kernel.inputs(size)).filter((_, j) => (i + j) % 2 === 0)) {
      const { value, taped, gradients } = await outcomeOf(kernel, size, hosts)
      found.set(`${JSON.stringify(size)}: ${says}`, [value, taped, ...gradients].map(kindsOf))
    }
  }
  return found
}

const testNumbers = <Name extends string, Size>(kernel: Lawful<Name, Size>): void => {
  const { sizes, steep = [], differentiable, smears } = kernel
  const all = [...sizes, ...steep]

  test("the numbers of the reference, in both orders", async () => {
    expect(sizes.length).toBeGreaterThanOrEqual(3)
    const expected = new Map<Size, Outcome>()
    for (const size of all) expected.set(size, await outcomeOf(kernel, size))
    await onDirtyWasm(async () => {
      for (const size of [...all, ...all.toReversed()]) {
        const outcome = await outcomeOf(kernel, size)
        expectSame(outcome, expected.get(size)!, JSON.stringify(size))
        expect(bitsOf(outcome.taped)).toEqual(bitsOf(outcome.value))
      }
    })
  })

  test("the gradients are derivatives of the value", () =>
    onWasm(async () => {
      for (const size of sizes) {
        const { gradients } = await outcomeOf(kernel, size)
        for (const [i, name] of differentiable.entries()) await expectDerivative(kernel, size, name, gradients[i]!)
      }
    }))

  if (smears !== undefined) return
  test("what is not finite shows where it shows in the reference", async () => {
    const kinds = () => kindsOfSpoilt(kernel, all)
    const expected = await kinds()
    expect([...expected.values()].flat().some((letters) => /[^.]/.test(letters))).toBe(true)
    expect(await onDirtyWasm(kinds)).toEqual(expected)
  })
}

/** Milliseconds: a driver on a CPU takes a second for a program that it has never seen, and a busy machine several times that. */
const COMPILING = 60_000

const testOnWebgpu = <Name extends string, Size>(kernel: Lawful<Name, Size>, shaders: ReadonlyArray<string>): void => {
  const { sizes, steep = [], large, empty, differentiable, run, smears } = kernel
  const all = [...sizes, ...steep, large]
  const held = holdWebgpu()
  beforeAll(async () => {
    await held.open()
    await tf.setBackend("cpu")
  })
  afterAll(held.close)

  test(
    "the numbers of the reference, in both orders, by our programs",
    async () => {
      const expected = new Map<Size, Outcome>()
      for (const size of all) expected.set(size, await outcomeOf(kernel, size))
      const ran = new Set<string>()
      await onDirtyWebgpu(
        async () => {
          for (const size of [...all, ...all.toReversed()])
            expectSame(await outcomeOf(kernel, size), expected.get(size)!, JSON.stringify(size))
        },
        (name) => ran.add(name)
      )
      expect(shaders.filter((name) => !ran.has(name))).toEqual([])
    },
    COMPILING
  )

  if (smears === undefined)
    test(
      "what is not finite shows where it shows in the reference",
      async () => {
        const some = [...sizes.slice(0, 2), ...steep]
        const expected = await kindsOfSpoilt(kernel, some)
        expect(await onDirtyWebgpu(() => kindsOfSpoilt(kernel, some))).toEqual(expected)
      },
      COMPILING
    )

  test(
    "nothing in, nothing out",
    async () => {
      const expected = await outcomeOf(kernel, empty)
      expect(await onDirtyWebgpu(() => outcomeOf(kernel, empty))).toEqual(expected)
    },
    COMPILING
  )

  test(
    "no leak, with and without a tape, whichever gradients are wanted",
    async () => {
      // whatever was given back has been submitted once a use of the device has ended
      const bytes = () => onWebgpu(() => (tf.memory() as unknown as { numBytesInGPU: number }).numBytesInGPU)
      const before = await bytes()
      await onWebgpu(async () => {
        const size = sizes[0]!
        const inputs = uploadAll(kernel.inputs(size))
        await expectNoLeak(() => run(inputs, size).dispose())
        for (const wanted of [...differentiable.map((name) => [name]), differentiable])
          await expectNoLeak(() => tf.dispose([...differentiated({ ...kernel, differentiable: wanted }, inputs, size)]))
        tf.dispose(Object.values<Tensor>(inputs))
      })
      expect(await bytes()).toBe(before)
    },
    COMPILING
  )

  test(
    "the same bits twice",
    () =>
      onWebgpu(async () => {
        const outcome = async () => {
          const { value, gradients } = await outcomeOf(kernel, large)
          return [value, ...gradients].map(bitsOf)
        }
        expect(await outcome()).toEqual(await outcome())
      }),
    COMPILING
  )
}

/** What each kernel that is described runs for a value and its gradients. */
const described: Array<() => void> = []

/** Kernels have forms (`Linear_int8`) and one for no tape (`GeluErfAlone`): a row is for all of them. */
const plainName = (name: string): string => name.replace(/(_|Alone$).*/, "")

/** Prints the names of all kernels that the sources define: tests of the same process define some of their own. */
const ownNames = `
const { kernelNames } = await import("./src/kernels/index.ts")
for (const file of new Bun.Glob("{src,adapters}/**/*.ts").scanSync("."))
  if (/\\b(defineKernel|elementwise|list|rows)[<(]/.test(await Bun.file(file).text())) await import("./" + file)
console.log(JSON.stringify(kernelNames()))`

/** Kernels that were described before a test file began to: those of other files in the same process. */
export const describedBefore = (): number => described.length

/**
 * Every kernel of ours is run by a law of the file that calls this, or has a test of its own. `elsewhere`: of those that no law runs, the file beside
 * this one, or anywhere in test/, that compares it with its reference. `before`: `describedBefore` as that file began.
 */
export const testEveryKernelHasItsRow = (before: number, elsewhere: Readonly<Record<string, string>>): void => {
  const own = described.slice(before)
  test("every kernel has its row: a law, or a test of its own", async () => {
    await tf.setBackend("cpu")
    const engine = tf.engine()
    const ran = new Set<string>()
    const spy = spyOn(engine, "runKernel").mockImplementation(((name, ...given) => {
      ran.add(plainName(name))
      return original.call(engine, name, ...given)
    }) as typeof original)
    try {
      for (const run of own) run()
    } finally {
      spy.mockRestore()
    }
    const { stdout } = Bun.spawnSync([process.execPath, "-e", ownNames], { cwd: repository, stderr: "inherit" })
    const names = new Set((JSON.parse(stdout.toString()) as ReadonlyArray<string>).map(plainName))
    expect(names.size).toBeGreaterThan(40)
    expect([...names].filter((name) => !ran.has(name)).sort()).toEqual(Object.keys(elsewhere).sort())
    for (const file of Object.values(elsewhere))
      expect([file, existsSync(join(repository, "test", file))]).toEqual([file, true])
  })
}

const repository = join(import.meta.dir, "..", "..", "..")
const original = tf.engine().runKernel

/** Tests every law. */
export const describeLaws = <Name extends string, Size>(kernel: Lawful<Name, Size>): void => {
  const size = kernel.sizes[0]!
  described.push(() => tf.dispose([...differentiated(kernel, uploadAll(kernel.inputs(size)), size)]))
  describe(kernel.name, () => {
    const { sizes, large, empty, differentiable, run, shaders } = kernel
    if (shaders !== undefined && webgpu.chosen)
      describe.skipIf(!webgpu.exists)("on a GPU", () => testOnWebgpu(kernel, shaders))
    // where no wasm is open: whatever other tests of this process have left
    beforeAll(async () => {
      await tf.setBackend("cpu")
    })
    testNumbers(kernel)

    test("nothing in, nothing out", async () => {
      const expected = await outcomeOf(kernel, empty)
      const actual = await onDirtyWasm(() => outcomeOf(kernel, empty))
      expect(actual).toEqual(expected)
    })

    test("no leak, with and without a tape, whichever gradients are wanted", () =>
      onWasm(async () => {
        const size = sizes[0]!
        const inputs = uploadAll(kernel.inputs(size))
        await expectNoLeak(() => run(inputs, size).dispose())
        for (const wanted of [...differentiable.map((name) => [name]), differentiable])
          await expectNoLeak(() => tf.dispose([...differentiated({ ...kernel, differentiable: wanted }, inputs, size)]))
      }))

    const outcome = () =>
      tf.tidy(() => [...differentiated(kernel, uploadAll(kernel.inputs(large)), large)]) as Array<Tensor>
    const expectSameBits = sameBits(outcome)
    test("the same bits from any number of threads", async () => {
      const chunks = await chunksIn(outcome)
      // else the test would show nothing
      for (const name of kernel.functions) expect([name, (chunks.get(name) ?? 0) > 1]).toEqual([name, true])
      await expectSameBits()
    })
  })
}
