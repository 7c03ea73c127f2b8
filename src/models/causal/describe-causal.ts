/**
 * From a source to a `CausalDescription`: config and headers are read, weights are not. Everything that can be wrong with the combination
 * is reported here, so that loading has nothing left to refuse.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { shapeProblems } from "../checkpoint.ts"
import { families } from "../families.ts"
import { ModelError } from "../model.ts"
import type { CausalDescription, CheckpointSource } from "./causal-model.ts"
import { type CausalFamily, type Decoder, OUTPUT_LAYER } from "./decoder.ts"
import { causalFamilies } from "./families.ts"

export const describeCausal = (source: CheckpointSource): Effect.Effect<CausalDescription, ModelError> =>
  Effect.suspend(() => {
    const { where, config, generationConfig, tensors } = source
    const failed = (problems: ReadonlyArray<string>) => Effect.fail(new ModelError({ folder: where, problems }))
    const family = familyOf(config)
    if (typeof family === "string") return failed([family])
    const opened = family.open(config)
    if (Result.isFailure(opened)) return failed(opened.failure)
    const decoder = opened.success
    const { stored, problems } = storedNames(decoder, family, tensors)
    if (problems.length > 0) return failed(problems)
    const used = new Set(stored.values())
    const { embed, blocks, norm, rotary, embedding, softcap, ...facts } = decoder
    return Effect.succeed({
      ...facts,
      source: where,
      decoder,
      head: { parameters: [] },
      eosIds: eosIdsOf(generationConfig) ?? eosIdsOf(config) ?? eosIdsOf(textConfigOf(config)) ?? [],
      stored,
      unusedTensors: [...tensors.keys()].filter((tensor) => !used.has(tensor))
    } satisfies CausalDescription)
  })

/** The family, or why there is none. */
const familyOf = (config: unknown): CausalFamily | string => {
  const type = (config as { readonly model_type?: unknown } | null)?.model_type
  const known: Readonly<Record<string, CausalFamily>> = causalFamilies
  if (typeof type === "string" && Object.hasOwn(known, type)) return known[type]!
  const supported = Object.keys(known).join(", ")
  const encoder = Object.hasOwn(families, `${type}`) ? '; an encoder learns labels: data.format "classification"' : ""
  return `config.json: model_type ${JSON.stringify(type) ?? "is missing"}; supported are ${supported}${encoder}`
}

/** Where each parameter lies in the source, and one sentence for each that is missing or has another shape. */
const storedNames = (
  decoder: Decoder,
  { otherPrefixes }: CausalFamily,
  tensors: CheckpointSource["tensors"]
): { readonly stored: ReadonlyMap<string, string>; readonly problems: ReadonlyArray<string> } => {
  const prefixes = [decoder.prefix, ...otherPrefixes, ""]
  const prefix = prefixes.find((own) => tensors.has(own + decoder.embedding)) ?? decoder.prefix
  // the output layer lies beside the backbone: with "a.model." it is "a.lm_head", unless it is at the top
  const outer = prefix.slice(0, Math.max(0, prefix.lastIndexOf(".", prefix.length - 2) + 1))
  const nameOf = (name: string) => {
    if (name !== OUTPUT_LAYER) return prefix + name
    return tensors.has(outer + name) ? outer + name : name
  }
  const linear = new Set(decoder.fanInFanOut ? decoder.sites.map((site) => `${site.name}.weight`) : [])
  const stored = new Map(decoder.parameters.map(({ name }) => [name, nameOf(name)] as const))
  const expected = decoder.parameters.map(({ name, shape }) => ({
    name,
    shape: linear.has(name) ? [...shape].reverse() : shape
  }))
  const problems = shapeProblems(expected, (name) => ({ name: nameOf(name), shape: tensors.get(nameOf(name))?.shape }))
  return { stored, problems: condensed(problems) }
}

const SHOWN = 10

/** A config of another size makes every tensor wrong: the first ones show it. */
const condensed = (problems: ReadonlyArray<string>): ReadonlyArray<string> =>
  problems.length <= SHOWN
    ? problems
    : [...problems.slice(0, SHOWN), `weights: and ${problems.length - SHOWN} more tensors likewise`]

const textConfigOf = (config: unknown): unknown =>
  (config as { readonly text_config?: unknown } | null)?.text_config ?? null

/** `eos_token_id` of a config, one or several; undefined where it says none. */
const eosIdsOf = (config: unknown): ReadonlyArray<number> | undefined => {
  const ids = (config as { readonly eos_token_id?: unknown } | null)?.eos_token_id
  if (typeof ids === "number") return [ids]
  return Array.isArray(ids) && ids.every((id) => typeof id === "number") ? ids : undefined
}
