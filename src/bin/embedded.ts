/** What the package has with it to begin with: a small encoder, movie sentences, and a plan over both. */
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..")

const movies = (split: string) => join(root, "examples", "data", "movies", `${split}.jsonl`)

export const embedded = {
  model: join(root, "examples", "models", "minilm"),
  data: { train: movies("train"), validation: movies("validation"), test: movies("test") },
  plan: join(root, "examples", "plans", "movies-lora-pro-full.json")
} as const
