/** Adapter methods, by the tag a plan names them with. A method declared in `schemas/` and missing here does not compile. */
import type { AdapterConfig } from "../schemas/index.ts"
import type { AdapterMethod } from "./adapter.ts"
import { full } from "./full.ts"
import { lora } from "./lora.ts"

/** The options of the method with this tag. */
// biome-ignore lint/suspicious/noExplicitAny: each entry keeps its own options type through `satisfies`
type AnyMethod = AdapterMethod<any> | null

export const methods = { lora, full, none: null } satisfies { readonly [Tag in AdapterConfig["method"]]: AnyMethod }

export { widened } from "../src/kernels/widen.ts"
export type { FrozenMatrix } from "../src/tensors/packed-matrix.ts"
export type { AdapterMethod, BaseLayer, InitSource } from "./adapter.ts"
export { full } from "./full.ts"
export { type Adapted, type InjectOptions, inject, injectSelected } from "./inject.ts"
export { type LoraOptions, lora } from "./lora.ts"
export { scaleOf } from "./scaling.ts"
export { InjectionError, type Selected, type SelectedSite, type Selection, select } from "./select.ts"
export { matches } from "./targets.ts"
