/** The families this package knows, by `model_type` of config.json. A new one is a file and a line here. */
import { bert } from "./bert.ts"
import { distilbert } from "./distilbert.ts"
import type { Family } from "./family.ts"
import { roberta } from "./roberta.ts"

export const families = { bert, distilbert, roberta } as const satisfies Record<string, Family>

export type FamilyName = keyof typeof families

export const familyOf = (name: string): Family => {
  const family = Object.hasOwn(families, name) ? families[name as FamilyName] : undefined
  if (family === undefined) throw new Error(`there is no model family ${name}`)
  return family
}
