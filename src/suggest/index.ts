/** A first plan for somebody's data, model and machine, with the reason for each value. */
export type { Choice } from "./choice.ts"
export { columnNames, detect } from "./detect.ts"
export { type Given, type Suggestion, type SuggestOptions, suggest } from "./suggest.ts"
export { suggestionText } from "./text.ts"
