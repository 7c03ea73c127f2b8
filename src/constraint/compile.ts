/** Compiles a grammar to an automaton, or reports everything wrong with it, before a token is generated. */
import { call, either, type Node, node, prune, type Rule, text } from "./automaton.ts"
import { freeText } from "./free-text.ts"
import type { Grammar, JsonStyle } from "./grammar.ts"
import { type JsonRules, jsonRules } from "./json.ts"

/** A compiled grammar. */
export interface Compiled {
  readonly rule: Rule
}

/** Repetitions with nodes of their own, at most. */
const MOST_REPETITIONS = 10_000

/**
 * Compiles a grammar. `broken`: all its problems, each with its place in the JSON Schema: unsupported or invalid parts, and
 * schemas that allow no value.
 */
export const compileGrammar = (grammar: Grammar): Compiled | { readonly broken: ReadonlyArray<string> } => {
  const problems = new Set<string>()
  const report = (path: string, sentence: string) => problems.add(`${path}: ${sentence}`)
  const known = new Map<unknown, Map<JsonStyle | undefined, JsonRules>>()
  const rulesOf = (schema: unknown, style: JsonStyle | undefined): JsonRules => {
    const styles = known.get(schema) ?? new Map<JsonStyle | undefined, JsonRules>()
    known.set(schema, styles)
    const rules = styles.get(style) ?? jsonRules(schema, style ?? {}, report)
    styles.set(style, rules)
    return rules
  }
  const built = (part: Grammar, next: Node): Node => {
    switch (part.kind) {
      case "text":
        return text(part.text, next, true)
      case "json":
        return call(rulesOf(part.schema, part.style).value([{ schema: part.schema, path: "#" }]), next)
      case "members":
        return rulesOf(part.schema, part.style).members(
          part.schema,
          { key: (name, value) => text(name + part.equals, value), comma: (member) => text(part.comma, member) },
          next
        )
      case "sequence":
        return part.parts.reduceRight((after, each) => built(each, after), next)
      case "after-text":
        return freeText(part.openings, [next, built(part.body, next)])
      case "choice":
        return either(part.options.map((option) => built(option, next)))
      case "repeat": {
        const { body, between, min, max } = part
        if ((max ?? min) > MOST_REPETITIONS) report("#", `more than ${MOST_REPETITIONS} repetitions are not supported`)
        const rule: Rule = { start: built(body, node({ accepts: true })), path: "#" }
        const one = (after: Node, first: boolean) =>
          first ? call(rule, after) : text(between, call(rule, after), true)
        let at = next
        if (max === null) {
          const last = node()
          last.jumps = [next, one(last, false)]
          at = min === 0 ? either([next, one(last, true)]) : last
        }
        const count = Math.min(max ?? min, MOST_REPETITIONS)
        for (let i = count - 1; i >= 0; i--) at = i >= min ? either([next, one(at, i === 0)]) : one(at, i === 0)
        return at
      }
    }
  }
  const rule: Rule = { start: built(grammar, node({ accepts: true })), path: "#" }
  const dead = problems.size > 0 ? [] : prune(rule)
  for (const { path } of dead) report(path, "allows no value that can be written")
  return problems.size > 0 ? { broken: [...problems] } : { rule }
}
