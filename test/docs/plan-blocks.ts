/** The JSON of pages: plans, parts of plans, and what is no plan. */

import { decodeRunPlanResult } from "../../schemas/index.ts"
import { isRecord } from "../../src/boundary/index.ts"
import type { Block } from "./pages.ts"

type Document = Readonly<Record<string, unknown>>

/** The sections of a plan. */
const sections = ["$schema", "seed", "model", "data", "adapter", "optimizer", "training", "loss", "output"]

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What is learned from, in the least words, for a `data` section that stands alone; by its format. */
const models: Readonly<Record<string, Document>> = {
  classification: { source: "m" },
  regression: { source: "m", task: { kind: "regression" } },
  "multi-label": { source: "m", task: { kind: "multi-label" } },
  "token-classification": { source: "m" },
  embedding: { source: "m", task: { kind: "embedding" } },
  chat: { source: "m" },
  completion: { source: "m" },
  text: { source: "m" },
  preference: { source: "m" },
  seq2seq: { source: "m" },
  images: { source: "m" },
  arrays: { source: "m/model.json" },
  "image-arrays": { source: "m/model.json" }
}

const rest: Document = {
  optimizer: { kind: "lora-pro", learningRate: 1e-4 },
  training: { steps: 8, batchSize: 4 }
}

/** The lines of a block of parts, such as `"data": {…}`; those that a comma ends go on. */
const partsIn = (text: string): ReadonlyArray<string> =>
  text
    .trim()
    .split(/(?<!,)\n/)
    .map((part) => part.replace(/,\s*$/, ""))

/** Comments of JSON with comments, which hold no quotes before them here. */
const withoutComments = (text: string): string => text.replace(/\s+\/\/ .*$/gm, "")

/** The documents of a block: one, or one for each part that it shows. Undefined where it is not JSON at all. */
export const documentsIn = ({ text, language }: Block): ReadonlyArray<unknown> | undefined => {
  const json = language === "jsonc" ? withoutComments(text) : text
  const whole = parse(json)
  if (whole !== undefined) return [whole]
  const parts = partsIn(json).map((part) => parse(part) ?? parse(`{${part}}`))
  return parts.includes(undefined) ? undefined : parts
}

/** A part of a plan as a whole one: what it leaves out is the least that its rows need. */
const completed = (part: Document): Document => {
  if ("format" in part) return completed({ data: part })
  const data = isRecord(part["data"]) ? part["data"] : { format: "classification", train: "t.jsonl" }
  const training = isRecord(part["training"]) ? { batchSize: 4, ...part["training"] } : rest["training"]
  const validation = "validation" in data ? {} : { validation: 0.1 }
  return { model: models[`${data["format"]}`], ...rest, ...part, data: { ...validation, ...data }, training }
}

const isPlan = (document: unknown): document is Document =>
  isRecord(document) && ("format" in document || Object.keys(document).every((key) => sections.includes(key)))

/** What is wrong with the plans and parts of plans in a block that is JSON. */
export const problemsOf = (block: Block): ReadonlyArray<unknown> =>
  (documentsIn(block) ?? []).filter(isPlan).flatMap((document) => {
    // what stands in braces of its own and names a model and rows is pasted as a file
    const whole = block.text.startsWith("{") && "model" in document && "data" in document
    const decoded = decodeRunPlanResult(whole ? document : completed(document))
    return decoded._tag === "Failure" ? decoded.failure : []
  })
