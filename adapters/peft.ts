/**
 * How an adapter method looks in Hugging Face PEFT's files.
 *
 * A site's tensors are stored as `base_model.model.<module>.<name>`. What PEFT cannot express in its own terms is converted, so that
 * it computes the same over the *original* base.
 */
import type { Tensor, Tensor2D } from "@tensorflow/tfjs-core"
import type { HostTensor } from "../src/safetensors/index.ts"
import type { LinearSite, Trainable } from "../src/tensors/index.ts"

/** A site, the options that it has there, and its part of the trained tree. */
export interface SitePart<Options> {
  /** the layer */
  readonly site: LinearSite
  /** the method's options at it */
  readonly options: Options
  /** what is trained there */
  readonly part: Trainable
}

/** A site's tensors by their names in PEFT, e.g. `lora_A.weight`. */
export type SiteTensors<T> = Readonly<Record<string, T>>

/** What adapter_config.json is made from. */
export interface PeftSource<Options> {
  /** as the plan has them, before overrides */
  readonly options: Options
  readonly sites: ReadonlyArray<Omit<SitePart<Options>, "part">>
  /** optimisation steps of the run */
  readonly steps: number
  /** a site's module in the class that transformers loads */
  readonly module: (site: string) => string
  /** what was stored of a site */
  readonly stored: (site: string) => SiteTensors<HostTensor>
}

/** Rank and α of a pair as a file holds it. */
export interface StoredSizes {
  /** r of the pair in the file */
  readonly rank: number
  /** α of the pair in the file */
  readonly alpha: number
  /** whether s is α/√r, else α/r */
  readonly rankStabilized: boolean
}

/** Bounds of a number in adapter_config.json. */
export interface PeftBounds {
  /** the smallest value; default 0 */
  readonly least?: number
  /** every value is greater */
  readonly above?: number
  /** every value is less */
  readonly below?: number
  /** whether it is an integer; absent: it need not be one */
  readonly whole?: true
}

/** The fields of an adapter_config.json, by their names. A wrong value is reported, and the default is read in its place. */
export interface PeftFields {
  /** default false */
  readonly flag: (name: string) => boolean
  /** `otherwise`: PEFT's default, for a field that is left out */
  readonly number: (name: string, otherwise: number, bounds: PeftBounds) => number
  /** numbers by patterns of module names; default none */
  readonly numbers: (name: string, bounds: PeftBounds) => Readonly<Record<string, number>>
}

/** Rank and α of adapted layers, as a configuration gives them. */
export interface PeftSizes {
  /** r of every layer that no pattern names */
  readonly rank: number
  /** α of every layer that no pattern names */
  readonly alpha: number
  /** other ranks, by patterns of module names */
  readonly rankPattern: Readonly<Record<string, number>>
  /** other alphas, by patterns of module names */
  readonly alphaPattern: Readonly<Record<string, number>>
  /** s, which multiplies what the tensors of a layer add to its weight */
  readonly scale: (rank: number, alpha: number) => number
}

/** What a configuration of PEFT is in a plan. */
export interface PeftSection {
  /** the fields of `adapter` that are the method's own */
  readonly section: Readonly<Record<string, unknown>>
  /** where layers differ in rank or α; absent: they do not */
  readonly sizes?: PeftSizes
}

/** How a method's folders of PEFT are read. */
export interface PeftReading {
  /** `peft_type` in adapter_config.json */
  readonly type: string
  /** Whether a configuration of this type is of the method; absent: every one is. */
  readonly isOwn?: (json: Readonly<Record<string, unknown>>) => boolean
  /** fields of PEFT that change nothing of what a trained adapter computes, separated by spaces */
  readonly unread: string
  /** the stored tensors of a layer, and which axis of each is its rank; null: an axis that is not compared */
  readonly tensors: Readonly<Record<string, 0 | 1 | null>>
  /** The fields of the plan's section that are the method's own; `sizes`: where layers differ in rank or α. */
  readonly section: (fields: PeftFields) => PeftSection
  /**
   * ΔW/s [out, in] of a layer's stored tensors, by which a layer of the head begins, which is trained as a whole. Absent: adapters of heads
   * are not read. Tensor code.
   */
  readonly added?: (stored: SiteTensors<Tensor>) => Tensor2D
}

/** How Hugging Face PEFT stores a method's adapters: the names and shapes of its tensors, and its adapter_config.json. */
export interface PeftLayout<Options> {
  /** on the Hugging Face Hub */
  readonly tags: ReadonlyArray<string>
  /** where a file holds factors A and B and nothing else, which is what llama.cpp reads: their sizes at a site; else null */
  readonly factorsAlone: ((options: Options) => StoredSizes) | null
  /** Names and shapes of a site's stored tensors. */
  readonly shapes: (part: SitePart<Options>) => SiteTensors<ReadonlyArray<number>>
  /**
   * Tensors that are stored otherwise at a convolution [out, channels, …window] than at a linear layer: the window as axes of their own
   * ("kernel"), columns with the channels first ("columns"), axes of size 1 after it ("ones"), or around it ("vector"). Absent: none is.
   */
  readonly atConvolution?: Readonly<Record<string, "kernel" | "columns" | "ones" | "vector">>
  /** what all sites share (`Trainable.shared`), in its order, as `base_model.<name>` */
  readonly shared: ReadonlyArray<string>
  /** The stored tensors of a site. Tensor code, in the caller's tidy. */
  readonly stored: (part: SitePart<Options>) => SiteTensors<Tensor>
  /** The part that was stored so. Tensor code, in the caller's tidy; `part` has the structure, and other numbers. */
  readonly restored: (part: SitePart<Options>, stored: SiteTensors<Tensor>) => Trainable
  /** For a method whose files hold fewer numbers than are stored; absent: they hold the same. Host code. */
  readonly files?: {
    /** What of a site's stored tensors goes into the file. */
    readonly written: (stored: SiteTensors<HostTensor>) => SiteTensors<HostTensor>
    /** The stored tensors again, of the shapes that `shapes` gives; those that cannot be right as they were found. */
    readonly read: (part: SitePart<Options>, found: SiteTensors<HostTensor>) => SiteTensors<HostTensor>
  }
  /** The method's own fields of adapter_config.json. */
  readonly config: (source: PeftSource<Options>) => Readonly<Record<string, unknown>>
  /** How such files are read as a plan's section. */
  readonly reading: PeftReading
}
