/** External adapters: folders of Hugging Face PEFT, read as sections of a plan. */
export {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  bareName,
  type FoldedLayer,
  type PeftAdapter,
  PeftError,
  peftFiles,
  readPeftAdapter
} from "./adapter.ts"
export type { PeftConfig } from "./config.ts"
