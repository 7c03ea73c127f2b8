/**
 * Compares a memory estimate with the machine's memory, the 4 GiB that wasm can address, and the 4 GiB maximum of a single tensor
 * on every backend.
 *
 * The device of the plan is not known here, and an estimate is not a bound: what may fail is a warning that names the device.
 * Only a tensor that is certain to occur and fits on no device is an error.
 */

import type { RunPlan } from "../../schemas/index.ts"
import { byteSize } from "../boundary/index.ts"
import type { MemoryEstimate } from "./memory.ts"

/** Bytes of this machine: total memory, and memory available to a new process (total memory if the runtime does not report it). */
export interface MachineMemory {
  readonly total: number
  readonly available: number
}

/** Returns this machine's memory; Infinity in a browser, which does not report it. */
export const machineMemory = (): MachineMemory => {
  // not imported, so that browser bundles do not include Node modules
  const { process } = globalThis as { readonly process?: NodeJS.Process }
  if (typeof process?.getBuiltinModule !== "function") return { total: Infinity, available: Infinity }
  const total = process.getBuiltinModule("node:os").totalmem()
  const available = typeof process.availableMemory === "function" ? process.availableMemory() : total
  return { total, available: available > 0 ? Math.min(available, total) : total }
}

/** 2³² bytes: the address space of wasm32, the largest buffer of WebGPU and the largest ArrayBuffer of JavaScriptCore. */
export const FOUR_GIB = 2 ** 32
/** Share of the available memory that a run may use: the rest covers the error of the estimate and other programs. */
export const COMFORTABLE = 0.8

/** Returns how to lower the memory; `lengths`: whether rows are texts, which can be truncated. */
const remedyOf = ({ training }: Pick<RunPlan, "training">, lengths: boolean): string => {
  if (!lengths) return "lower training.batchSize or training.evaluateBatchSize"
  const lower = "lower training.batchSize, training.evaluateBatchSize or data.maxLength"
  return training.recompute === "none" ? `set training.recompute to "blocks", or ${lower}` : lower
}

/** Returns one sentence for each limit that the estimate approaches. */
export const memoryWarnings = (
  { total, weights, mapped, trainable, activations }: MemoryEstimate,
  machine: MachineMemory,
  plan: Pick<RunPlan, "training">,
  lengths = true
): ReadonlyArray<string> => {
  const remedy = remedyOf(plan, lengths)
  const warnings: Array<string> = []
  if (total > COMFORTABLE * machine.available) {
    const free = machine.available < machine.total ? ` (${byteSize(machine.available)} free)` : ""
    const unmapped = total - mapped
    const verdict =
      unmapped > machine.total
        ? "it cannot run on the CPU or on wasm"
        : unmapped > COMFORTABLE * machine.available || mapped === 0
          ? "it may run out of memory"
          : `on --device native about ${byteSize(unmapped)} are enough, since ${byteSize(mapped)} of weights stay in the file`
    warnings.push(
      `memory: about ${byteSize(total)} are needed, but this machine has ${byteSize(machine.total)}${free}: ${verdict}; ${remedy}`
    )
  }
  const tensors = weights + trainable + activations
  if (tensors > COMFORTABLE * FOUR_GIB) {
    warnings.push(
      `memory: about ${byteSize(tensors)} of tensors are needed, but wasm has at most 4 GiB; ${remedy}, or use --device ${tensors - mapped > COMFORTABLE * FOUR_GIB ? "" : "native or "}webgpu`
    )
  }
  return warnings
}
