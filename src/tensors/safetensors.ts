/**
 * The safetensors format: headers without tensors, tensors one at a time, folders with shards, and a writer that agrees with the
 * Python library byte for byte.
 */
export {
  type Dtype,
  readHeader,
  SafetensorsError,
  type SafetensorsHeader,
  type StoredTensor
} from "./safetensors-header.ts"
export { forEachTensor, type HostTensor, readStored, readStoredBytes, readTensors } from "./safetensors-read.ts"
export { readFolderHeaders } from "./safetensors-shards.ts"
export { bytesOf, streamSafetensors, type TensorType, writeSafetensors } from "./safetensors-write.ts"
