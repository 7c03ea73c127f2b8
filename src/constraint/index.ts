/** Texts that a grammar allows: JSON by a schema, calls of tools, and which tokens may come next in them. */
export { type Compiled, compileGrammar } from "./compile.ts"
export { type Constraint, type ConstraintState, constrain, constraintOf, type Forced, isAllowed } from "./constraint.ts"
export type { Grammar, JsonStyle } from "./grammar.ts"
