/** Labelled rows of numbers and a `tf.LayersModel`. */
import type { ArraysPlan } from "../../../../schemas/index.ts"
import type { ClassificationData } from "../../../data/index.ts"
import type { RunKind } from "../../contract/index.ts"
import { layersKind } from "../kind.ts"
import type { ResolvedLayersPlan } from "../rows.ts"
import { arraysRows, calledArrays } from "./rows.ts"
import { detectArrays, suggestArrays } from "./suggest.ts"

export type ResolvedArraysPlan = ResolvedLayersPlan<ArraysPlan, ClassificationData>

export const arrays: RunKind<ArraysPlan, ResolvedArraysPlan> = layersKind({
  rows: arraysRows,
  called: calledArrays,
  suggesting: suggestArrays,
  detecting: detectArrays,
  asked: "< rows.jsonl"
})
