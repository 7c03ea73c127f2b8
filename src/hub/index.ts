/** Models and data sets of the Hugging Face Hub: their addresses, their files in the cache that Hugging Face's programs share, and files that go there. */
export { cachedHub } from "./cached-hub.ts"
export {
  Hub,
  HubError,
  type HubShape,
  isBranch,
  isRepository,
  type Sources,
  type Told,
  type Upload,
  type Uploaded,
  type UploadedFile
} from "./hub.ts"
