/** What one process of the WebGPU bench measures (`measure.ts`), and what comes out. Both are JSON. */
import type { ModelName } from "../shapes.ts"

/** "stock" is tfjs-webgpu as it comes with LoRA in plain ops and `tf.train.adam`; the others are ours. */
export type Path = "stock" | "adamw" | "lora-pro-efficient" | "lora-pro-full" | "lora-pro-sgd"

export interface StepSetting {
  readonly path: Path
  readonly model: ModelName
  readonly batch: number
  readonly length: number
  /** "null" is Dawn's null backend: every command is checked and recorded, and none is carried out */
  readonly adapter: "null" | "best"
  /** default "none" */
  readonly recompute?: "none" | "blocks"
  /** the model's folder, where it is not MiniLM's */
  readonly folder?: string
}

/** What one step gives the GPU to do, the mean over `steps`. */
export interface CountsMeasurement extends StepSetting {
  readonly what: "counts"
  readonly steps: number
}

export interface CountsResult {
  /** by the label of their pipeline: our program's name, or tfjs's class of programs */
  readonly dispatches: Readonly<Record<string, number>>
  readonly submits: number
  readonly bindGroups: number
  /** calls of `writeBuffer`, and buffers that were created mapped */
  readonly uploads: number
  readonly uploadedBytes: number
  readonly reads: number
  readonly readBytes: number
}

/** CPU time of a step. */
export interface CpuMeasurement extends StepSetting {
  readonly what: "cpu"
  readonly steps: number
}

export interface CpuResult {
  /** of a step, the median over turns of eight, from the call until the GPU has done them */
  readonly milliseconds: number
  /** of the thread that takes the steps, the mean over them */
  readonly threadMilliseconds: number
  /** all threads of the process, the mean over the steps */
  readonly cpuMilliseconds: number
}

/** GPU time of a step by program. */
export interface ProgramsMeasurement extends StepSetting {
  readonly what: "programs"
  readonly steps: number
}

/** Calls and milliseconds by the label of their pipeline. */
export type ProgramTimes = Readonly<Record<string, { readonly calls: number; readonly milliseconds: number }>>

export interface ProgramsResult {
  /** of a step, the mean over the steps */
  readonly programs: ProgramTimes
}

/** GPU memory while and after steps are taken. */
export interface MemoryMeasurement extends StepSetting {
  readonly what: "memory"
  /** after how many steps to look, in ascending order */
  readonly at: ReadonlyArray<number>
}

export interface MemoryResult {
  /** the largest sum of the sizes of all buffers that existed at a time */
  readonly peakBytes: number
  /** sums at the moments that were asked for */
  readonly allocatedBytes: ReadonlyArray<number>
}

/**
 * Steps on demand: each line of input is a number of steps, and a line of output, a `TakenResult`. The first one is an
 * `OpenedResult`.
 */
export interface SteppingMeasurement extends StepSetting {
  readonly what: "stepping"
}

export interface OpenedResult {
  /** the GPU in its driver's words */
  readonly gpu: string
  readonly software: boolean
  /** floating-point operations that a step cannot do without (`useful-flop.ts`) */
  readonly flop: number
}

export interface TakenResult {
  /** a step */
  readonly milliseconds: number
}

/** Rates of matrix products (`tf.matMul` on our device). */
export interface ProductsMeasurement extends Omit<StepSetting, "path"> {
  readonly what: "products"
}

export interface ProductsResult {
  readonly gpu: string
  /** GFLOP/s by product, such as "nt 1024×384×1536" */
  readonly rates: Readonly<Record<string, number>>
}

export interface Results {
  readonly counts: CountsResult
  readonly cpu: CpuResult
  readonly programs: ProgramsResult
  readonly memory: MemoryResult
  readonly products: ProductsResult
}

export type GpuMeasurement =
  | CountsMeasurement
  | CpuMeasurement
  | ProgramsMeasurement
  | MemoryMeasurement
  | SteppingMeasurement
  | ProductsMeasurement
