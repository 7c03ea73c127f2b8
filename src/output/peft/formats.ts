/** Methods in PEFT's files, by the tag a plan names them with; null: PEFT has no such method. */
import type { AdapterConfig } from "../../../schemas/index.ts"
import { adaloraFormat } from "./adalora.ts"
import { doraFormat } from "./dora.ts"
import type { PeftFormat } from "./format.ts"
import { loraFormat } from "./lora.ts"

const formats = { lora: loraFormat, dora: doraFormat, adalora: adaloraFormat, full: null, none: null } satisfies {
  // biome-ignore lint/suspicious/noExplicitAny: each entry keeps its own options type through `satisfies`
  readonly [Tag in AdapterConfig["method"]]: PeftFormat<Extract<AdapterConfig, { readonly method: Tag }>, any> | null
}

/** Does PEFT read what this method trains? */
export const isPeftMethod = (method: string): boolean => peftFormatOf(method) !== null

/** A method that PEFT does not know keeps its tensors under our own names. */
export const peftFormatOf = (method: string): PeftFormat<never, unknown> | null =>
  method in formats ? (formats[method as keyof typeof formats] as PeftFormat<never, unknown> | null) : null
