/** The kinds of plans by `data.format`. A kind is loaded when a plan of it comes: a page over texts has nothing of the others. */
import * as Effect from "effect/Effect"
import type { RunPlan } from "../../schemas/index.ts"
import type { Task } from "./task.ts"
import { textClassification } from "./text-classification.ts"

type Format = RunPlan["data"]["format"]

const causal = () => import("./causal-language.ts").then(({ causalLanguage }) => causalLanguage)

const tasks: { readonly [F in Format]: () => Promise<unknown> } = {
  classification: () => Promise.resolve(textClassification),
  arrays: () => import("./array-classification.ts").then(({ arrayClassification }) => arrayClassification),
  chat: causal,
  completion: causal,
  text: causal
}

/** How plans of a format run. Its functions take models and plans of that format alone. */
export const taskOf = (format: Format): Effect.Effect<Task> => Effect.promise(() => tasks[format]() as Promise<Task>)

export type { Prediction, Task } from "./task.ts"
