/** Models of the Hugging Face Hub: their addresses, and their files in the cache that Hugging Face's programs share. */
export { HubError } from "./hub-source.ts"
export { type ResolveOptions, resolveAdapter, resolveConfig, resolveSource } from "./resolve-source.ts"
