/**
 * How an adapter method looks in Hugging Face PEFT's files. One file per method that PEFT knows; `index.ts` has the table.
 *
 * A site's tensors are stored as `base_model.model.<module>.<name>`. What PEFT cannot say in its own terms is converted, so that it
 * computes the same over the *original* base.
 */
import type { Tensor } from "@tensorflow/tfjs"
import type { SelectedSite, SitePart } from "../../../adapters/index.ts"
import type { AdapterConfig } from "../../../schemas/index.ts"
import type { HostTensor } from "../../safetensors/index.ts"
import type { Trainable } from "../../tensors/index.ts"

/** A site's tensors by their names in PEFT, e.g. `lora_A.weight`. */
export type SiteTensors<T> = Readonly<Record<string, T>>

/** What adapter_config.json is made from. */
export interface ConfigSource<Config, Options> {
  readonly config: Config
  readonly sites: ReadonlyArray<SelectedSite<Options>>
  /** optimisation steps of the run */
  readonly steps: number
  /** a site's module in the class that transformers loads */
  readonly module: (site: string) => string
  /** what was stored of a site */
  readonly stored: (site: string) => SiteTensors<HostTensor>
}

export interface PeftFormat<Config extends AdapterConfig, Options> {
  /** Names and shapes of a site's stored tensors. */
  readonly shapes: (part: SitePart<Options>) => SiteTensors<ReadonlyArray<number>>
  /** The stored tensors of a site. Tensor code, in the caller's tidy. */
  readonly stored: (part: SitePart<Options>) => SiteTensors<Tensor>
  /** The part that was stored so. Tensor code, in the caller's tidy; `part` has the structure, and other numbers. */
  readonly restored: (part: SitePart<Options>, stored: SiteTensors<Tensor>) => Trainable
  /** For a format whose files hold fewer numbers than are stored. Host code. */
  readonly files?: {
    /** What of a site's stored tensors goes into the file. */
    readonly written: (stored: SiteTensors<HostTensor>) => SiteTensors<HostTensor>
    /** The stored tensors again, of the shapes that `shapes` says; those that cannot be right as they were found. */
    readonly read: (part: SitePart<Options>, found: SiteTensors<HostTensor>) => SiteTensors<HostTensor>
  }
  /** The method's own fields of adapter_config.json. */
  readonly config: (source: ConfigSource<Config, Options>) => Readonly<Record<string, unknown>>
}
