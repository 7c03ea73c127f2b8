/** The encoder families, by `model_type` of config.json. Adding one takes a file and a line here (CONTRIBUTING.md). */
import { bert } from "./bert.ts"
import { distilbert } from "./distilbert.ts"
import type { Family } from "./encoder.ts"
import { modernbert } from "./modernbert.ts"
import { roberta } from "./roberta.ts"

/** Every family of encoders by `model_type`. */
export const families = { bert, distilbert, modernbert, roberta } as const satisfies Record<string, Family>

/** Returns the family of a name. Throws an Error if no family has that name. */
export const familyOf = (name: string): Family => {
  const family = Object.hasOwn(families, name) ? families[name as keyof typeof families] : undefined
  if (family === undefined) throw new Error(`there is no model family ${name}`)
  return family
}
