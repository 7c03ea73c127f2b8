/**
 * Kernels of the C module change nothing but their outputs. tfjs's wasm memory is theirs too, and every byte of it is compared before and
 * after each piece of work: what may differ is the buffers that the kernel declares to write, its scratch, and the block of the engine, in
 * which the threads' words and stacks lie. Tensors of a pattern fill the memory all around, also after it has grown, since zeros written
 * over zeros would not show.
 */
import { afterEach, describe, expect, test } from "bun:test"
import { Worker } from "node:worker_threads"
import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { BackendWasm } from "@tensorflow/tfjs-backend-wasm"
import { useBackend } from "../../../src/device/one-per-process.ts"
import { sharedModule, simdModule } from "../../../src/device/wasm-module.ts"
import { ratesAt } from "../../../src/kernels/adam.ts"
import { attention, segmentsOfPadding } from "../../../src/kernels/attention.ts"
import { sparseCrossEntropy } from "../../../src/kernels/cross-entropy.ts"
import type { EntryTypes, Kernel } from "../../../src/kernels/declaration.ts"
import { frozenLinear } from "../../../src/kernels/dense-linear.ts"
import { depthwiseConvolution } from "../../../src/kernels/depthwise-convolution.ts"
import { layerNorm } from "../../../src/kernels/layer-norm.ts"
import { loraLinear } from "../../../src/kernels/lora-linear.ts"
import { loraProDirections } from "../../../src/kernels/lora-pro.ts"
import { loraProAdamMoves } from "../../../src/kernels/lora-pro-adam.ts"
import { patches } from "../../../src/kernels/patches.ts"
import { type Buffer as Place, type WasmEngine, wasmEngineOf } from "../../../src/kernels/wasm/engine.ts"
import {
  installWasmEngine,
  installWasmKernels,
  kernelModuleFor,
  memoryOf,
  type StartPool,
  startEngine,
  type WorkerStart,
  wasmBackend,
  workerScript
} from "../../../src/kernels/wasm/index.ts"
import { whitenedOnDevice } from "../../../src/kernels/whitening.ts"
import { type PackedHostMatrix, type Packing, PER_WORD, packMatrix } from "../../../src/numbers/index.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { uploadPacked } from "../../../src/tensors/index.ts"
import { random, tensorOf } from "../device/on-wasm.ts"
import { lists, pairsOf } from "./lora-pro-pairs.ts"

const PATTERN = 0x5ca1ab1e

const pool: StartPool = async (start, size) => {
  const workers = Array.from({ length: size }, (_, i) => {
    const workerData: WorkerStart = { ...start, thread: i + 1 }
    return new Worker(workerScript(), { workerData })
  })
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once("message", resolve))))
  return { size, terminate: () => workers.forEach((worker) => void worker.terminate()) }
}

interface Block {
  readonly start: number
  readonly end: number
}

const filling = new Set<Tensor>()

/** Tensors of the pattern, `count` of `bytes` each. */
const patterned = (count: number, bytes: number): ReadonlyArray<Tensor> => {
  const made = Array.from({ length: count }, () => tf.tensor1d(new Int32Array(bytes / 4).fill(PATTERN), "int32"))
  for (const tensor of made) filling.add(tensor)
  return made
}

interface Watched {
  /** kernels that were run */
  readonly ran: Set<string>
  /** bytes that changed and may not, a line for each piece of work */
  readonly changed: Array<string>
  readonly bytes: () => number
  readonly close: () => Promise<void>
}

/** Opens the backend as `src/device/wasm.ts` does, in memory that is full, and watches it. */
const watched = async (shared: boolean, threads: number): Promise<Watched> => {
  const factory = tf.findBackendFactory("wasm")
  const module = shared ? await sharedModule() : await simdModule()
  const backend = wasmBackend(
    new BackendWasm(module as unknown as ConstructorParameters<typeof BackendWasm>[0]) as tf.KernelBackend
  )
  const memory = memoryOf(module)
  const blocks = new Map<number, Block>()
  /** What a kernel may change, whichever it is: the engine's words and stacks, its scratch. */
  const own = new Set<number>()
  let ownNow = false
  let before = new Uint8Array()
  const remember = () => {
    const { buffer } = memory
    if (before.length !== buffer.byteLength) before = new Uint8Array(buffer.byteLength)
    before.set(new Uint8Array(buffer))
  }
  // emscripten puts the exports into the module when they are called for the first time
  module._free(module._malloc(8))
  const { _malloc, _free } = module
  module._malloc = (bytes) => {
    const start = _malloc.call(module, bytes) >>> 0
    blocks.set(start, { start, end: start + bytes })
    if (ownNow) {
      own.add(start)
      remember()
    }
    return start
  }
  module._free = (start) => {
    blocks.delete(start >>> 0)
    own.delete(start >>> 0)
    _free.call(module, start)
    if (ownNow) remember()
  }
  await useBackend("wasm", backend)
  // holes of all sizes between tensors of the pattern: what comes later lies in them
  const around = [5, 10, 16, 19].flatMap((power) => patterned(16, 1 << power))
  tf.dispose(around.filter((_, i) => i % 2 === 0))
  ownNow = true
  const kernels = await kernelModuleFor({ shared, fused: false })
  const started = await startEngine(backend, kernels, memory, threads, pool)
  ownNow = false
  const uninstallKernels = installWasmKernels()

  const blockAt = (address: number): Block => {
    const found = [...blocks.values()].find(({ start, end }) => start <= address && address < end)
    if (found === undefined) throw new Error(`nothing is allocated at ${address}`)
    return found
  }
  const written = (types: EntryTypes, given: Readonly<Record<string, Place | number | undefined>>) =>
    Object.entries(types).flatMap(([name, type]) => {
      const place = given[name]
      if (typeof type === "string" || !type.writes || typeof place !== "object") return []
      const address = started.engine.address(place)
      if ("address" in place) return [{ start: address, end: blockAt(address).end }]
      const bytes = tf.util.sizeFromShape(place.shape) * tf.util.bytesPerElement(place.dtype)
      return [{ start: address, end: address + bytes }]
    })

  const ran = new Set<string>()
  const changed: Array<string> = []
  /** The first byte that differs outside of these. */
  const firstChange = (may: ReadonlyArray<Block>): number | undefined => {
    const now = Buffer.from(memory.buffer)
    const then = Buffer.from(before.buffer)
    let from = 0
    const end = { start: now.length, end: now.length }
    for (const { start, end: to } of [...may.toSorted((a, b) => a.start - b.start), end]) {
      if (start > from && now.compare(then, from, start, from, start) !== 0) {
        for (let at = from; at < start; at++) if (now[at] !== then[at]) return at
      }
      from = Math.max(from, to)
    }
    return undefined
  }
  const run = (kernel: Kernel, ...[buffers, words, work]: [never, never, { entries?: ReadonlyArray<never> }?]) => {
    remember()
    ownNow = true
    const chunks = started.engine.run(kernel, buffers, words, work)
    ownNow = false
    ran.add(kernel.name)
    const outputs = [
      ...written(kernel.buffers, buffers),
      ...(work?.entries ?? []).flatMap((one) => written(kernel.entry ?? {}, one))
    ]
    const at = firstChange([...outputs, ...[...own].map(blockAt)])
    if (at !== undefined) changed.push(`${kernel.name} changed the byte at ${at}`)
    return chunks
  }
  const engine = { ...started.engine, run } as unknown as WasmEngine
  const uninstallEngine = installWasmEngine(backend, { ...started, engine })
  expect(wasmEngineOf(tf.backend())).toBe(engine)
  return {
    ran,
    changed,
    bytes: () => memory.buffer.byteLength,
    close: async () => {
      tf.dispose([...filling].filter(({ isDisposed }) => !isDisposed))
      filling.clear()
      uninstallKernels()
      uninstallEngine()
      tf.removeBackend("wasm")
      if (factory) tf.registerBackend("wasm", factory, 0)
      await tf.setBackend("cpu")
    }
  }
}

const next = random(7)
const numbers = (...shape: Array<number>) => tensorOf(shape, next)
const matrix = (rows: number, columns: number) => numbers(rows, columns) as Tensor2D
const vector = (size: number) => numbers(size) as Tensor1D

/** The value and the gradients of its sum. */
const withGradients = (f: (...inputs: ReadonlyArray<Tensor>) => Tensor, ...inputs: ReadonlyArray<Tensor>): void => {
  valueAndGradients(() => tf.sum(f(...inputs)) as Scalar, [...inputs])
}

/** tokens, inputs, outputs, rank: a row alone, widths that no vector divides, edges of tiles and panels, several chunks. */
const layers = [
  [1, 128, 70, 4],
  [5, 7, 13, 3],
  [40, 131, 61, 8],
  [250, 77, 133, 5]
] as const

const linear = (packing: Packing | null) => () => {
  for (const [tokens, inputs, outputs, rank] of layers) {
    const W = matrix(outputs, inputs)
    const own =
      packing === null
        ? W
        : uploadPacked(packMatrix(packing, W.dataSync() as Float32Array, [outputs, inputs]) as PackedHostMatrix)
    withGradients((x) => frozenLinear(x as Tensor2D, own, vector(outputs)), matrix(tokens, inputs))
    withGradients(
      (x, A, B) => loraLinear(x as Tensor2D, own, null, A as Tensor2D, B as Tensor2D, 2),
      matrix(tokens, inputs),
      matrix(rank, inputs),
      matrix(outputs, rank)
    )
  }
}

const work: Readonly<Record<string, { readonly functions: ReadonlyArray<string>; readonly run: () => void }>> = {
  "linear layers, adapted and not": { functions: ["nt", "nn", "tn", "sumColumns"], run: linear(null) },
  ...Object.fromEntries(
    (Object.keys(PER_WORD) as ReadonlyArray<Packing>).map((packing) => [
      `linear layers of ${packing}`,
      { functions: ["nt", "nn"], run: linear(packing) }
    ])
  ),
  attention: {
    functions: ["attention", "attentionGradient"],
    run: () => {
      for (const [heads, keyHeads, d, length] of [
        [2, 2, 3, 7],
        [4, 2, 20, 130],
        [2, 1, 64, 107]
      ] as const) {
        const mask = tf.tensor2d(
          Array.from({ length: 2 }, (_, row) => Array.from({ length }, (_, i) => (i < length - 3 * row ? 1 : 0)))
        )
        const segments = segmentsOfPadding(mask)
        const shape = { batch: 2, heads, keyHeads, softCap: null, bias: null }
        for (const causal of [false, true]) {
          withGradients(
            (q, k, v) =>
              attention({
                q: q as Tensor2D,
                k: k as Tensor2D,
                v: v as Tensor2D,
                ...shape,
                mask: { causal, window: causal ? 30 : null, segments }
              }),
            matrix(2 * length, heads * d),
            matrix(2 * length, keyHeads * d),
            matrix(2 * length, keyHeads * d)
          )
        }
      }
    }
  },
  "LoRA-Pro": {
    functions: ["whitening", "loraPro", "loraProAdamOpen", "loraProAdamMove", "loraProAdamClose"],
    run: () => {
      for (const shapes of [...lists, [[90, 70, 37] as const]]) {
        const [pairs, gradients] = [pairsOf(shapes, "p"), pairsOf(shapes, "g")]
        const { whitenings } = whitenedOnDevice(pairs, 1e-8)!
        const steps = pairs.map((pair, i) => ({
          pair,
          gradient: gradients[i]!,
          whitening: whitenings[i]!,
          first: tf.fill([pair.site.out, pair.site.in], 0.3),
          second: tf.fill([pair.site.out, pair.site.in], 0.01)
        }))
        loraProDirections(pairs, gradients, whitenings, "sylvester")
        loraProAdamMoves(steps, "sylvester", ratesAt({ b1: 0.9, b2: 0.999, eps: 1e-8 }, 2))
      }
    }
  },
  "norms, sums and losses": {
    functions: ["layerNorm", "layerNormBackward", "crossEntropyStatistics", "crossEntropyBackward"],
    run: () => {
      withGradients(
        (x, gamma, beta) => layerNorm(x as Tensor2D, null, gamma as Tensor1D, beta as Tensor1D, 1e-5),
        matrix(33, 130),
        vector(130),
        vector(130)
      )
      const labels = tf.tensor1d([0, 1, 2, 3, 4, 5, 6], "int32")
      withGradients((z) => sparseCrossEntropy(z as Tensor2D, labels), matrix(7, 45))
    }
  },
  windows: {
    functions: ["patches", "patchesBackward", "depthwiseBackward", "depthwiseFilterGradient"],
    run: () => {
      const window = { kernel: [3, 3], strides: [2, 1], dilation: [1, 1], padding: "same" } as const
      withGradients((x) => patches(x as Tensor4D, window), numbers(2, 9, 7, 5))
      withGradients(
        (x, K) => depthwiseConvolution(x as Tensor4D, K as Tensor4D, window),
        numbers(2, 9, 7, 5),
        numbers(3, 3, 5, 1)
      )
    }
  }
}

let open: Watched | undefined
afterEach(() => open?.close())

describe.each([
  { shared: false, threads: 1 },
  { shared: true, threads: 1 },
  { shared: true, threads: 2 }
])("shared memory: $shared, threads: $threads", ({ shared, threads }) => {
  test("nothing but outputs is changed, before the memory grows and after", async () => {
    open = await watched(shared, threads)
    const bytes = open.bytes()
    const once = (name: string) => {
      tf.tidy(work[name]!.run)
      expect({ name, changed: open!.changed }).toEqual({ name, changed: [] })
    }
    for (const name of Object.keys(work)) once(name)
    const functions = Object.values(work).flatMap((own) => own.functions)
    expect(functions.filter((name) => !open!.ran.has(name))).toEqual([])
    while (open.bytes() === bytes) patterned(1, 1 << 20)
    for (const name of ["linear layers, adapted and not", "attention", "LoRA-Pro"]) once(name)
  }, 60_000)
})
