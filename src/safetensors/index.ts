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
} from "./header.ts"
export { forEachTensor, type HostTensor, readStored, readStoredBytes, readTensors } from "./read.ts"
export { INDEX_FILE, readFolderHeaders, SINGLE_FILE } from "./shards.ts"
export { bytesOf, streamSafetensors, type TensorType, writeSafetensors } from "./write.ts"
