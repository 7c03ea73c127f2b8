/**
 * Adapters to and from files: loaded when the first is saved or loaded, for a page that adapts and trains needs none of it.
 */
export { peftFiles } from "./peft-files.ts"
export { restoredAdapter, savedAdapter } from "./saved-adapter.ts"
export { loadFrom, saveTo } from "./transfer.ts"
