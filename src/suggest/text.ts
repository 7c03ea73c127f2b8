/** A suggestion as a user reads it: every value with its reason, then what to know. The plan itself is JSON, which has no comments. */
import { type Choice, valueAt } from "./choice.ts"
import type { Suggestion } from "./suggest.ts"

const shown = (value: unknown): string =>
  typeof value === "object" ? JSON.stringify(value) : typeof value === "string" ? `"${value}"` : `${value}`

const instead = ({ path, value }: Choice, before: unknown): string => {
  const found = before === undefined ? undefined : valueAt(before, path)
  if (before === undefined || shown(found) === shown(value)) return ""
  return found === undefined ? " (the plan has none)" : ` (the plan has ${shown(found)})`
}

const lines = (choice: Choice, before: unknown): ReadonlyArray<string> => [
  `${choice.path}: ${shown(choice.value)}${instead(choice, before)}`,
  `    ${choice.reason}.`,
  ...(choice.source === undefined ? [] : [`    Source: ${choice.source}.`])
]

/** `before`: the plan that was given, whose other values are named. */
export const suggestionText = ({ choices, warnings }: Suggestion, before?: unknown): string =>
  [
    ...choices.flatMap((choice) => lines(choice, before)),
    ...(warnings.length === 0 ? [] : ["", ...warnings.map((warning) => `warning: ${warning}`)])
  ].join("\n")
