/**
 * Adapter methods. `inject` adds an adapter to a model; `lora`, `dora`, `adalora`, `vera`, `loha`, `full` and `none` are the methods, and
 * `methods` lists them by their names in plans. Custom methods implement `AdapterMethod`. TypeScript requires an entry per method in `schemas/`.
 */
import type { AdapterConfig } from "../schemas/index.ts"
import { adalora } from "./adalora.ts"
import type { AdapterMethod } from "./adapter.ts"
import { dora } from "./dora.ts"
import { full } from "./full.ts"
import { loha } from "./loha.ts"
import { lora } from "./lora.ts"
import { none } from "./none.ts"
import { vera } from "./vera.ts"

// biome-ignore lint/suspicious/noExplicitAny: each entry keeps its own options type through `satisfies`
type AnyMethod = AdapterMethod<any>

/** Every adapter method by its tag in plans. */
export const methods = { none, full, lora, dora, adalora, vera, loha } satisfies {
  readonly [Tag in AdapterConfig["method"]]: AnyMethod
}

/** Returns the method of a section; its options are those of that section. */
export const methodOf = ({ method }: Pick<AdapterConfig, "method">): AdapterMethod<object> =>
  methods[method] as AnyMethod

export { type DropoutMask, dequantized, dropout } from "../src/kernels/index.ts"
export type { FrozenMatrix } from "../src/tensors/index.ts"
export { type AdaloraOptions, adalora, rankBudget } from "./adalora.ts"
export type {
  AdapterMethod,
  BaseLayer,
  ComparedAdapter,
  InitRanks,
  InitSource,
  RankBounds,
  ScaledFactors,
  SiteSize
} from "./adapter.ts"
export { type DoraOptions, dora } from "./dora.ts"
export { full } from "./full.ts"
export { type Calibrate, type Calibration, InitError, noCalibration } from "./init/calibration.ts"
export { calibrationOf, isSubtracted } from "./init/index.ts"
export type { TrainingPlace } from "./inject.ts"
export {
  type Adapted,
  type ForwardOptions,
  inject,
  injectSelected,
  switchedOff,
  type Tap,
  unadapted
} from "./inject.ts"
export { type LohaOptions, loha } from "./loha.ts"
export { type LoraOptions, lora, scaleOf, subtractedOf, wholeFactors } from "./lora.ts"
export { none } from "./none.ts"
export type { InjectOptions, OptionsOf } from "./options.ts"
export type { PeftBounds, PeftFields, PeftLayout, PeftReading, PeftSizes, SitePart, SiteTensors } from "./peft.ts"
export { fullest, initRanksOf, withRanks } from "./ranks.ts"
export {
  adapterSize,
  InjectionError,
  matches,
  type Selected,
  type SelectedSite,
  type Selection,
  type SiteRanks,
  select,
  selectionOf,
  unmatched
} from "./select.ts"
export { type VeraOptions, vera } from "./vera.ts"
