/** Constrained generation: JSON with a schema, tool calls, and the tokens that may come next in them. */
export { type Compiled, compileGrammar } from "./compile.ts"
export { type Constraint, type ConstraintState, constrain, constraintOf, type Forced, isAllowed } from "./constraint.ts"
export type { Grammar, JsonStyle } from "./grammar.ts"
