/**
 * What a bench cell measures, as one JSON object, and the two model shapes that it may name: all-MiniLM-L6-v2's, which the examples
 * train, and BERT-base's (12 layers, 768 wide) with random weights, over the same tokenizer.
 */
import type { OptimizerConfig } from "../schemas/optimizer.ts"

export interface ModelShape {
  readonly layers: number
  readonly width: number
  readonly heads: number
  /** width between the two feed-forward products */
  readonly inner: number
  readonly vocabulary: number
}

export const modelShapes = {
  minilm: { layers: 6, width: 384, heads: 12, inner: 1536, vocabulary: 9321 },
  base: { layers: 12, width: 768, heads: 12, inner: 3072, vocabulary: 9321 }
} as const satisfies Readonly<Record<string, ModelShape>>
export type ModelName = keyof typeof modelShapes

/** A layer's linear layers, each with the widths that it maps from and to. */
export const linearLayers = ({ width, inner }: ModelShape) =>
  [
    ["query", width, width],
    ["key", width, width],
    ["value", width, width],
    ["output", width, width],
    ["up", width, inner],
    ["down", inner, width]
  ] as const

/** MiniLM as the examples train it. */
export const minilmFolder = new URL("../examples/models/minilm", import.meta.url).pathname

/** A plan's `optimizer` section. */
export type Section = typeof OptimizerConfig.Encoded

export type Method = "lora" | "lora-pro-efficient" | "lora-pro-full" | "full"

export const cpuDevices = ["wasm", "native"] as const
export type CpuDevice = (typeof cpuDevices)[number]

/** What runs, on `batch` rows of `length` tokens, and on how many threads. */
interface Where {
  readonly model: ModelName
  readonly batch: number
  readonly length: number
  readonly threads: number
}

/** Our step. With several methods their steps take turns, so that ratios compare what ran within the same second. */
export interface OurMeasurement extends Where {
  readonly path: "ours"
  /** default wasm */
  readonly device?: CpuDevice
  /** by name, or LoRA under an optimizer */
  readonly methods: ReadonlyArray<Method | Section>
  /** steps of each method that are timed, after two that are not */
  readonly steps: number
  /** default 8 */
  readonly rank?: number
  /** default "none" */
  readonly recompute?: "none" | "blocks"
  /** default "float32" */
  readonly precision?: "float32" | "bfloat16"
  /** which linear layers are adapted, as a plan says it; default "all-linear" */
  readonly targets?: "all-linear" | ReadonlyArray<string>
  /** the model's folder, where it is not MiniLM's */
  readonly folder?: string
}

/** Plain tfjs ops, LoRA r = 8 on every linear layer. */
export interface StockMeasurement extends Where {
  readonly path: "stock"
  readonly steps: number
}

/** The same in jax-js, where it is installed (`cells.ts`). */
export interface JaxMeasurement extends Where {
  readonly path: "jax-js"
  readonly steps: number
}

/** The backend's own matrix products at the shapes of a step. */
export interface ProductMeasurement extends Where {
  readonly path: "products"
  readonly device: CpuDevice
}

export type Measurement = OurMeasurement | StockMeasurement | JaxMeasurement | ProductMeasurement

/** The parts of one step, in milliseconds; `rest` is what the others leave of its whole time. */
export interface StepTimes {
  readonly milliseconds: number
  readonly forward: number
  readonly backward: number
  /** refresh and update */
  readonly optimizer: number
  /** the optimizer's part between steps, eigenproblems on the host; within `optimizer` */
  readonly refresh: number
  readonly rest: number
}

export interface OurResult {
  /** in the order of the measurement's methods */
  readonly methods: ReadonlyArray<{
    readonly steps: ReadonlyArray<StepTimes>
    /** floating-point operations that a step cannot do without (`useful-flop.ts`) */
    readonly flop: number
  }>
  readonly peakBytes: number
}

export interface TimeResult {
  readonly milliseconds: number
  readonly peakBytes: number
}

export interface ProductResult {
  /** GFLOP/s by product, such as "nt 1024×384×1536" */
  readonly rates: Readonly<Record<string, number>>
}

/** The middle one; of an even number the upper of the two. */
export const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
