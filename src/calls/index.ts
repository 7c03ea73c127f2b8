/** Calls of tools in what models write: the forms of each family, read whole or as they arrive, and grammars that allow nothing else. */
export type { CallBlock, CallForm, CallGrammar, ReadCalls } from "./call-form.ts"
export { callFormOf, type NamedCallForm } from "./form-of.ts"
export { type CallFormName, callForms } from "./forms.ts"
export { type CallEvent, type CallReader, callReader } from "./reader.ts"
