/**
 * How an adapter method looks in Hugging Face PEFT's files.
 *
 * A site's tensors are stored as `base_model.model.<module>.<name>`. What PEFT cannot express in its own terms is converted, so that
 * it computes the same over the *original* base.
 */
import type { Tensor } from "@tensorflow/tfjs"
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

/** How Hugging Face PEFT stores a method's adapters: the names and shapes of its tensors, and its adapter_config.json. */
export interface PeftLayout<Options> {
  /** on the Hugging Face Hub */
  readonly tags: ReadonlyArray<string>
  /** where a file holds factors A and B and nothing else, which is what llama.cpp reads: their sizes at a site; else null */
  readonly factorsAlone: ((options: Options) => StoredSizes) | null
  /** Names and shapes of a site's stored tensors. */
  readonly shapes: (part: SitePart<Options>) => SiteTensors<ReadonlyArray<number>>
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
}
