/**
 * Storage of adapters in Hugging Face PEFT's files.
 *
 * A layer's tensors are stored as `base_model.model.<module>.<name>`. What PEFT cannot express is converted, so that
 * it computes the same over the *original* base.
 */
import type { Tensor, Tensor2D } from "@tensorflow/tfjs-core"
import type { HostTensor } from "../src/safetensors/index.ts"
import type { LinearSite, Trainable } from "../src/tensors/index.ts"

/** A layer with its options and its part of the trainable tree. */
export interface SitePart<Options> {
  /** the layer */
  readonly site: LinearSite
  /** the method's options for it */
  readonly options: Options
  /** its trainable part */
  readonly part: Trainable
}

/** A layer's tensors by PEFT's names, such as `lora_A.weight`. */
export type SiteTensors<T> = Readonly<Record<string, T>>

/** Source of adapter_config.json. */
export interface PeftSource<Options> {
  /** options of the plan, before overrides */
  readonly options: Options
  readonly sites: ReadonlyArray<Omit<SitePart<Options>, "part">>
  /** number of optimizer steps of the run */
  readonly steps: number
  /** Returns a layer's module name in the class that transformers loads. */
  readonly module: (site: string) => string
  /** Returns the stored tensors of a layer. */
  readonly stored: (site: string) => SiteTensors<HostTensor>
}

/** Rank and α of a stored pair. */
export interface StoredSizes {
  /** r of the stored pair */
  readonly rank: number
  /** α of the stored pair */
  readonly alpha: number
  /** whether s is α/√r instead of α/r */
  readonly rankStabilized: boolean
}

/** Bounds of a number in adapter_config.json. */
export interface PeftBounds {
  /** smallest value; default 0 */
  readonly least?: number
  /** exclusive lower bound */
  readonly above?: number
  /** exclusive upper bound */
  readonly below?: number
  /** whether it must be an integer; absent: no */
  readonly whole?: true
}

/** Fields of an adapter_config.json, by name. A wrong value is reported, and the default used instead. */
export interface PeftFields {
  /** Reads a flag; default false. */
  readonly flag: (name: string) => boolean
  /** Reads a number. `otherwise`: PEFT's default for a missing field. */
  readonly number: (name: string, otherwise: number, bounds: PeftBounds) => number
  /** Reads numbers by patterns of module names; default: none. */
  readonly numbers: (name: string, bounds: PeftBounds) => Readonly<Record<string, number>>
}

/** Ranks and alphas of adapted layers in a configuration. */
export interface PeftSizes {
  /** r of every layer without a pattern */
  readonly rank: number
  /** α of every layer without a pattern */
  readonly alpha: number
  /** different ranks, by patterns of module names */
  readonly rankPattern: Readonly<Record<string, number>>
  /** different alphas, by patterns of module names */
  readonly alphaPattern: Readonly<Record<string, number>>
  /** Returns s, the scale of the product of a layer's tensors. */
  readonly scale: (rank: number, alpha: number) => number
}

/** A PEFT configuration as a plan's section. */
export interface PeftSection {
  /** fields of `adapter` that belong to the method */
  readonly section: Readonly<Record<string, unknown>>
  /** ranks and alphas, if they differ between layers */
  readonly sizes?: PeftSizes
}

/** How to read a method's PEFT folders. */
export interface PeftReading {
  /** `peft_type` in adapter_config.json */
  readonly type: string
  /** Returns whether a configuration of this type belongs to the method; absent: always. */
  readonly isOwn?: (json: Readonly<Record<string, unknown>>) => boolean
  /** PEFT fields that do not change what a trained adapter computes, separated by spaces */
  readonly unread: string
  /** stored tensors of a layer, with the axis that is its rank; null: an axis that is not compared */
  readonly tensors: Readonly<Record<string, 0 | 1 | null>>
  /** Reads the plan's fields of the method; `sizes`: ranks and alphas, if they differ between layers. */
  readonly section: (fields: PeftFields) => PeftSection
  /**
   * Returns ΔW/s [out, in] from a layer's stored tensors, to initialize a head layer, which is trained in full. Absent: adapters of heads
   * are not supported. Tensor code.
   */
  readonly added?: (stored: SiteTensors<Tensor>) => Tensor2D
}

/** Layout of a method's adapters in Hugging Face PEFT's files: tensor names and shapes, and adapter_config.json. */
export interface PeftLayout<Options> {
  /** tags on the Hugging Face Hub */
  readonly tags: ReadonlyArray<string>
  /** Returns the sizes of stored factors, if a file holds only A and B, as llama.cpp requires; else null. */
  readonly factorsAlone: ((options: Options) => StoredSizes) | null
  /** Returns names and shapes of a layer's stored tensors. */
  readonly shapes: (part: SitePart<Options>) => SiteTensors<ReadonlyArray<number>>
  /**
   * Tensors stored in another shape for a convolution [out, channels, …window] than for a linear layer: the window as separate axes
   * ("kernel"), columns with channels first ("columns"), axes of size 1 after it ("ones"), or around it ("vector"). Absent: none.
   */
  readonly atConvolution?: Readonly<Record<string, "kernel" | "columns" | "ones" | "vector">>
  /** names of the tensors that all layers share (`Trainable.shared`), in its order, stored as `base_model.<name>` */
  readonly shared: ReadonlyArray<string>
  /** Returns the tensors of a layer to store. Tensor code, in the caller's tidy. */
  readonly stored: (part: SitePart<Options>) => SiteTensors<Tensor>
  /** Returns the part from stored tensors, with the structure of `part`. Tensor code, in the caller's tidy. */
  readonly restored: (part: SitePart<Options>, stored: SiteTensors<Tensor>) => Trainable
  /** conversion for methods whose files hold only some of the stored values; absent: all are written. Host code. */
  readonly files?: {
    /** Returns the values of a layer's stored tensors that go into the file. */
    readonly written: (stored: SiteTensors<HostTensor>) => SiteTensors<HostTensor>
    /** Returns the stored tensors in the shapes of `shapes`; returns tensors with invalid shapes unchanged. */
    readonly read: (part: SitePart<Options>, found: SiteTensors<HostTensor>) => SiteTensors<HostTensor>
  }
  /** Returns the method's fields of adapter_config.json. */
  readonly config: (source: PeftSource<Options>) => Readonly<Record<string, unknown>>
  /** how to read such files as a plan's section */
  readonly reading: PeftReading
}
