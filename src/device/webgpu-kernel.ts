/** What tfjs hands to a kernel on the webgpu backend, for the kernels that replace its own (`webgpu-kernels.ts`). */
import type { TensorInfo } from "@tensorflow/tfjs"
import type { WebgpuBackend } from "./webgpu-backend.ts"

export interface KernelCall {
  readonly inputs: Readonly<Record<string, TensorInfo>>
  readonly attrs: Readonly<Record<string, unknown>>
  readonly backend: WebgpuBackend
}

export type Kernel = (call: KernelCall) => TensorInfo
