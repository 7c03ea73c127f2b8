/** Bundled models and data: small models, movie sentences, and a plan over them. */
import { join, relative } from "node:path"

const root = join(import.meta.dirname, "..", "..")

const movies = (split: string) => join(root, "examples", "data", "movies", `${split}.jsonl`)

/** A bundled model. */
export interface IncludedModel {
  /** `model.source` for a plan, on this machine */
  readonly source: string
  /** path in the package's folder */
  readonly inPackage: string
  /** subject of the README's first sentence */
  readonly title: string
}

const included = (title: string, ...folder: ReadonlyArray<string>): IncludedModel => {
  const source = join(root, "examples", "models", ...folder)
  return { source, inPackage: relative(root, source).replaceAll("\\", "/"), title }
}

/** Bundled models by their type of input. */
export const includedModels = {
  texts: included("The package's small encoder (a trimmed all-MiniLM-L6-v2)", "minilm"),
  images: included("The package's small image model (MobileNetV2)", "mobilenet", "model.json")
} as const

export const embedded = {
  model: includedModels.texts.source,
  data: { train: movies("train"), validation: movies("validation"), test: movies("test") },
  plan: join(root, "examples", "plans", "movies-lora-pro-full.json")
} as const
