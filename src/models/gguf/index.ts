/**
 * GGUF files as sources of causal models. The parts' names of a split model have a door of their own, `split-files.ts`: the Hub's cache
 * needs them, and a program that reads no GGUF file should not load its readers. So have the writers, `write/index.ts`.
 */
export { ggufSource } from "./gguf-source.ts"
