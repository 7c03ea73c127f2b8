/** Models and data sets of the Hugging Face Hub: their addresses, their files in the cache that Hugging Face's programs share, and files that go there. */
export { datasetFiles } from "./datasets.ts"
export { HubError, isBranch, isRepository } from "./hub-source.ts"
export { type ResolveOptions, resolveAdapter, resolveConfig, resolveSource } from "./resolve-source.ts"
export { type Told, type Upload, type Uploaded, type UploadedFile, upload } from "./upload.ts"
