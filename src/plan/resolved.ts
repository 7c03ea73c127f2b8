/** Resolved plans: a plan with the results of checking it against files and environment. Each kind of run adds its own fields (`src/kinds/`). */
import * as Schema from "effect/Schema"
import type { Selected } from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import { listedLines } from "../boundary/index.ts"
import type { ModelDescription } from "../models/index.ts"
import type { MemoryEstimate, TrainableCounts } from "./memory.ts"

export class ResolveError extends Schema.TaggedError<ResolveError>()("ResolveError", {
  /** name of the plan */
  name: Schema.String,
  /** one message per problem; a message may have several lines */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return listedLines(this.problems, String)
  }
}

export type SiteOptions = Readonly<Record<string, unknown>>

/** The part of a model's description that determines where adapters can be injected. */
export type Adaptable = Pick<ModelDescription, "sites" | "parameters" | "prefix"> & {
  readonly head: Pick<ModelDescription["head"], "parameters">
}

/** A split of the data. */
export interface SplitSource {
  /** number of rows */
  readonly rows: number
  /** its file, or the name of the source */
  readonly where: string
  /** if rows name files: one line per file, with what identifies its content */
  readonly list?: ReadonlyArray<string>
}

/** Splits of the data by name. */
export interface Splits<Source extends SplitSource = SplitSource> {
  /** training rows */
  readonly train: Source
  /** rows evaluated during training; absent if the plan has none */
  readonly validation?: Source
  /** rows evaluated at the end; absent if the plan has none */
  readonly test?: Source
}

/** Summary of a split. */
export interface SplitSummary {
  readonly split: keyof Splits
  readonly where: string
  readonly rows: number
  /** rows per class, for rows with classes */
  readonly classes?: ReadonlyArray<{ readonly label: string; readonly rows: number }>
}

/** The opened data of a plan; every row has been read once. */
export interface OpenedData {
  /** train, and the other splits of the plan */
  readonly splits: Splits
  /** probable mistakes that are not errors, one sentence each */
  readonly warnings: ReadonlyArray<string>
  /** Returns the rows and classes of every split, for a table. */
  readonly describe: () => ReadonlyArray<SplitSummary>
}

/** The frozen prefix of a plan that keeps its outputs. */
export interface PlannedPrefix {
  /** number of frozen blocks; `of`: all blocks */
  readonly blocks: number
  readonly of: number
  /** bytes for all rows that are read again */
  readonly wanted: number
  /** bytes that may be kept */
  readonly bytes: number
  /** whether training rows are read again, or only evaluated ones */
  readonly training: boolean
}

/**
 * A plan checked against files and environment: the model's description, the opened data, the adapted layers, and the memory
 * estimate. No weights have been read.
 */
export interface ResolvedPlan<
  Plan extends RunPlan = RunPlan,
  Model extends Adaptable = Adaptable,
  Data extends OpenedData = OpenedData
> {
  /** the plan, with inferred values filled in: the labels */
  readonly plan: Plan
  /** name of the plan's runs */
  readonly name: string
  /** description of the model from its headers, without its weights */
  readonly model: Model
  /** selected sites, with the options of the method (rank, alpha … for lora) */
  readonly selected: Selected<SiteOptions>
  /** the splits, open for reading */
  readonly data: Data
  /** the model's folder or file on this machine */
  readonly base: string
  /** number of optimization steps, from the plan or computed from its epochs */
  readonly steps: number
  /** number of trainable and frozen parameters */
  readonly trainable: TrainableCounts
  /** estimated memory in bytes, by purpose */
  readonly memory: MemoryEstimate
  /** frozen blocks that are computed once per row; null: no frozen blocks, or no row is read again */
  readonly prefix: PlannedPrefix | null
  /** probable mistakes that are not errors, one sentence each */
  readonly warnings: ReadonlyArray<string>
}
