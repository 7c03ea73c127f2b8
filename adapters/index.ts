/** Adapter methods, by the tag a plan names them with. A method declared in `schemas/` and missing here does not compile. */
import type { AdapterConfig } from "../schemas/index.ts"
import { adalora } from "./adalora.ts"
import type { AdapterMethod } from "./adapter.ts"
import { dora } from "./dora.ts"
import { full } from "./full.ts"
import { lora } from "./lora.ts"

/** The options of the method with this tag. */
// biome-ignore lint/suspicious/noExplicitAny: each entry keeps its own options type through `satisfies`
type AnyMethod = AdapterMethod<any> | null

export const methods = { lora, dora, adalora, full, none: null } satisfies {
  readonly [Tag in AdapterConfig["method"]]: AnyMethod
}

export { dequantized } from "../src/kernels/dequantize.ts"
export { type DropoutMask, dropout } from "../src/kernels/dropout.ts"
export type { FrozenMatrix } from "../src/tensors/packed-matrix.ts"
export { type AdaloraOptions, adalora, initialRankOf, rankBudget } from "./adalora.ts"
export type { AdapterMethod, BaseLayer, InitSource, SitePart, SiteSize } from "./adapter.ts"
export { type DoraOptions, dora } from "./dora.ts"
export type { TrainingPlace } from "./dropout.ts"
export { full } from "./full.ts"
export { type Calibrate, type Calibration, InitError, noCalibration } from "./init/calibration.ts"
export { calibrationOf, isSubtracted } from "./init/index.ts"
export { type Adapted, type ForwardOptions, type InjectOptions, inject, injectSelected, type Tap } from "./inject.ts"
export { type LoraOptions, lora, wholeFactors } from "./lora.ts"
export { scaleOf } from "./scaling.ts"
export { InjectionError, type Selected, type SelectedSite, type Selection, select } from "./select.ts"
export { matches, unmatched } from "./targets.ts"
