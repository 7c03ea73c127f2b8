/**
 * Module names in the class that transformers loads: the sequence classifier where the head is its own (pooling "pooler":
 * `bert.encoder.…`, `classifier`), the bare encoder where it is not (pooling "mean": `encoder.…`).
 */
import { classParameterName, type ModelDescription } from "../../models/index.ts"

/** A module's or parameter's path in that class. */
export const exportedName = (model: ModelDescription, name: string): string =>
  classParameterName(model.head.pooling === "mean" ? { ...model, prefix: "" } : model, name)
