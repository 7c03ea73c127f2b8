/**
 * The config.json of a merged model, with numbers formatted as in the base's: in Python 1.0 is not an integer, and transformers rejects an integer where it
 * expects a float.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { readTextFile, writeFileAtomic } from "../files/index.ts"

const keysOf = (json: string, number: string): ReadonlySet<string> =>
  new Set(Array.from(json.matchAll(new RegExp(`"(\\w+)"\\s*:\\s*${number}(?=\\s*[,}])`, "g")), ([, key]) => key!))

/** Returns `value` as JSON, with whole numbers formatted as in `base`: with a fraction where every number under that key has one. */
export const jsonLike = (value: object, base: string): string => {
  const [floats, integers] = [keysOf(base, "-?\\d+\\.0+"), keysOf(base, "-?\\d+")]
  return JSON.stringify(value, null, 2).replaceAll(/"(\w+)": -?\d+(?=,?\n)/g, (pair, key) =>
    floats.has(key) && !integers.has(key) ? `${pair}.0` : pair
  )
}

/** Of a .gguf file, which has no config.json: what transformers wants to be floats among the fields that come of one. */
const WITHOUT = '{"attn_logit_softcapping": 1.0, "final_logit_softcapping": 1.0}'

/** Writes `config` into `folder`. `base`: folder or file of the merged model's base. */
export const writeMergedConfig = (base: string, folder: string, config: object) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const text = yield* readTextFile(path.join(base, "config.json")).pipe(Effect.orElseSucceed(() => WITHOUT))
    yield* writeFileAtomic(path.join(folder, "config.json"), `${jsonLike(config, text)}\n`)
  })
