/** Causal models, and adapters of them, as GGUF files. */
export { ggufName } from "../architecture.ts"
export { unwritableAt, type WritableName, type WritableType, writableTypes } from "./blocks.ts"
export { ggufHeader, type TensorToStore, writeGguf } from "./file.ts"
export { type GgufModel, ggufMetadata, ggufModelOf, type Unsaid } from "./model.ts"
export { type EncodedValue, encoded } from "./values.ts"
