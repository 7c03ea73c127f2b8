/** WebGPU for a measurement: Dawn, with its null backend where only the CPU's part matters. */
import * as Effect from "effect/Effect"
import { create, globals } from "webgpu"
import { bun } from "../../src/device/bun.ts"
import type { Runtime } from "../../src/device/open.ts"
import type { StepSetting } from "./measurement.ts"
import { wrap } from "./wrapped.ts"

/** Dawn rounds timestamps to 65 µs, as browsers must; programs are shorter than that. */
const EXACT_TIMES = "disable-dawn-features=timestamp_quantization"

/** Dawn's instance takes the process down if it is collected as garbage. */
const kept: Array<GPU> = []

const carriesOutNothing = new WeakSet<GPU>()

/** Once in a process, before tfjs's webgpu backend is imported: it looks for `navigator.gpu` while that happens. */
export const openDawn = (adapter: StepSetting["adapter"]): GPU => {
  Object.assign(globalThis, globals)
  const gpu = create(adapter === "null" ? ["backend=null"] : [EXACT_TIMES]) as GPU
  if (adapter === "null") {
    carriesOutNothing.add(gpu)
    zeroNewBuffers()
  }
  kept.push(gpu)
  Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true })
  return gpu
}

/**
 * The null backend carries out copies and no programs, and its buffers begin with what the process's memory held: a
 * loss read from one may be NaN, and a session ends with that. From zeros every number of a step is finite.
 */
const zeroNewBuffers = (): void => {
  wrap(
    GPUDevice,
    "createBuffer",
    (inner) =>
      function (descriptor) {
        const buffer = inner.call(this, descriptor)
        const { size, usage, mappedAtCreation = false } = descriptor
        if (!mappedAtCreation && (usage & GPUBufferUsage.COPY_DST) !== 0)
          this.queue.writeBuffer(buffer, 0, new Uint8Array(size))
        return buffer
      }
  )
}

/** Bun as our device sees it, on this GPU. Tiles are by the fixed rule on the null backend, where nothing can be timed. */
export const runtimeOn = (gpu: GPU): Runtime => {
  const { tileStore, ...runtime } = bun
  return {
    ...runtime,
    ...(tileStore === undefined || carriesOutNothing.has(gpu) ? {} : { tileStore }),
    gpu: Effect.succeed(gpu)
  }
}
