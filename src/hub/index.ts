/** Models and datasets of the Hugging Face Hub: addresses, files in the cache that Hugging Face's tools share, and uploads. */
export { cachedHub } from "./cached-hub.ts"
export {
  Hub,
  HubError,
  type HubShape,
  isBranch,
  isRepository,
  type Sources,
  type Upload,
  type Uploaded,
  type UploadedFile,
  type UploadListener
} from "./hub.ts"
