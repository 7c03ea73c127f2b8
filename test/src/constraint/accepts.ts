/** Whether a schema's automaton reads a text, byte by byte. */
import { type Compiled, compileGrammar, type Grammar, type JsonStyle } from "../../../src/constraint/index.ts"
import { type State, statesOf } from "../../../src/constraint/states.ts"

export const compiled = (grammar: Grammar): Compiled => {
  const made = compileGrammar(grammar)
  if ("broken" in made) throw new Error(made.broken.join("\n"))
  return made
}

/** A text is read from its beginning to its end. */
export const reader = (grammar: Grammar): ((text: string) => boolean) => {
  const states = statesOf(compiled(grammar).rule)
  return (text) => {
    let state: State | null = states.start
    for (const byte of new TextEncoder().encode(text)) {
      state = states.step(state, byte)
      if (state === null) return false
    }
    return state.ends
  }
}

export const jsonReader = (schema: unknown, style?: JsonStyle): ((text: string) => boolean) =>
  reader({ kind: "json", schema, ...(style === undefined ? {} : { style }) })

/** All problems of a schema. */
export const problemsOf = (schema: unknown): ReadonlyArray<string> => {
  const made = compileGrammar({ kind: "json", schema })
  return "broken" in made ? made.broken : []
}
