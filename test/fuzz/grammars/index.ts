/** Inputs written from grammars, by what reads them. */
import type { Target } from "../target.ts"
import { jsonSchemas, toolRows } from "./answers.ts"
import { adapters, checkpoints, layersModels } from "./networks.ts"
import { parquetFiles } from "./parquet.ts"
import { peftFolders } from "./peft.ts"
import { plans } from "./plans.ts"
import { servedImages } from "./served-images.ts"
import { httpRequests, hubAnswers } from "./servers.ts"
import { studioRecords } from "./studio.ts"
import { gguf, safetensors } from "./tensors.ts"
import { csvFiles, templates, tokenizerFiles } from "./texts.ts"

export const grammars: { readonly [name: string]: Target } = {
  "safetensors (grammar)": safetensors,
  "GGUF (grammar)": gguf,
  "tokenizer.json (grammar)": tokenizerFiles,
  "chat templates (grammar)": templates,
  "tool rows (grammar)": toolRows,
  "JSON Schemas (grammar)": jsonSchemas,
  "Parquet (grammar)": parquetFiles,
  "CSV (grammar)": csvFiles,
  "plans (grammar)": plans,
  "PEFT folders (grammar)": peftFolders,
  "model.json (grammar)": layersModels,
  "adapters (grammar)": adapters,
  "checkpoints (grammar)": checkpoints,
  "Hub answers (grammar)": hubAnswers,
  "HTTP requests (grammar)": httpRequests,
  "studio records (grammar)": studioRecords,
  "served images (grammar)": servedImages
}
