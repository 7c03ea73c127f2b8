/**
 * Converts plans of earlier versions.
 *
 * A run folder's plan names every default. `output.keep` was a count of checkpoints in all of them, so a plan that says it as a number is
 * from before: its adapter is the last state, and its share for validation was drawn from all rows alike. Both are filled in, so that such
 * a folder is evaluated on the rows that it did not learn from, and resumes as it began.
 *
 * `model.head` was `model.task.headInit`, with "normal" for "new".
 */
import { isRecord } from "../src/boundary/index.ts"
import { arraysPlans } from "./kinds/arrays.ts"
import { classificationPlans } from "./kinds/classification.ts"

const labelled = { ...classificationPlans.formats, ...arraysPlans.formats }

const heldOut = (data: unknown): unknown =>
  isRecord(data) && typeof data["validation"] === "number" && Object.hasOwn(labelled, String(data["format"]))
    ? { ...data, holdOut: data["holdOut"] ?? "random" }
    : data

const withHead = (model: unknown): unknown => {
  if (!isRecord(model) || !isRecord(model["task"]) || "head" in model || !("headInit" in model["task"])) return model
  const { headInit, ...task } = model["task"]
  return { ...model, task, head: headInit === "normal" ? "new" : headInit }
}

/** Converts a plan of an earlier version to today's fields; returns any other value unchanged. */
export const inTodaysWords = (input: unknown): unknown => {
  if (!isRecord(input)) return input
  const plan = "model" in input ? { ...input, model: withHead(input["model"]) } : input
  if (!isRecord(plan["output"])) return plan
  const { keep, ...output } = plan["output"]
  if (typeof keep !== "number") return plan
  return {
    ...plan,
    ...("data" in plan ? { data: heldOut(plan["data"]) } : {}),
    output: { ...output, keep: "last", keepCheckpoints: output["keepCheckpoints"] ?? keep }
  }
}
