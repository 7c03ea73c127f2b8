/**
 * Options of `adapt`: the `adapter` section of a plan, with a seed, a head and a name. Strict, as plans
 * are: unknown keys are errors, and every problem is reported at once.
 *
 *   { rank: 8, alpha: 16, targets: "all-linear", head: ["predictions"], seed: 0 }
 *
 * The default method is "lora".
 */

import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Tuple from "effect/Tuple"
import {
  AdapterConfig,
  count,
  list,
  type PlanProblem,
  problemsOf,
  strict,
  text,
  withDefault
} from "../../schemas/index.ts"
import { isRecord } from "../boundary/index.ts"
import { AdaptError } from "./errors.ts"

const around = {
  seed: count(0, "Seed of the initial factors; the same seed gives the same values.").pipe(withDefault(0)),
  head: list(
    text("a layer's path", "A layer name, or nested.name for a layer of a nested model."),
    "a list of layer paths",
    "Layers to train in full, with their own learning rate, and save with the adapter."
  ).pipe(withDefault([])),
  name: text("a name", "Name of the adapter among those of one base model.").pipe(withDefault("adapter"))
}

/** Options of `adapt` and `add`. */
export const AdaptOptions = AdapterConfig.mapMembers(Tuple.map(Schema.fieldsAssign(around)))

type Written = (typeof AdaptOptions)["Encoded"]

/** Input form of the options: every key has a default, the method included. */
export type AdaptOptionsInput =
  | (Omit<Extract<Written, { readonly method: "lora" }>, "method"> & { readonly method?: "lora" })
  | Exclude<Written, { readonly method: "lora" }>

/** Decoded options of an adapter. */
export interface AdapterRequest {
  readonly config: AdapterConfig
  readonly seed: number
  readonly head: ReadonlyArray<string>
  readonly name: string
}

const decode = Schema.decodeUnknownResult(AdaptOptions, strict)

/** Decodes options; fails with every problem at once. `model`: the model's name, for the error. */
export const decodeOptions = (input: unknown, model: string): Effect.Effect<AdapterRequest, AdaptError> => {
  const planned = isRecord(input) && !Object.hasOwn(input, "method") ? { method: "lora", ...input } : input
  const decoded = decode(planned)
  if (Result.isFailure(decoded)) return fail(model, problemsOf(decoded.failure.issue, AdaptOptions.ast))
  const { seed, head, name, ...config } = decoded.success
  if ("from" in config) {
    const message = `found ${JSON.stringify(config.from)}; use loadAdapter to load a saved adapter, without options`
    return fail(model, [{ path: "from", message }])
  }
  return Effect.succeed({ config, seed, head, name })
}

const fail = (model: string, problems: ReadonlyArray<PlanProblem>) => Effect.fail(new AdaptError({ model, problems }))
