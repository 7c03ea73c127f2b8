/** A plan that can run: what was asked of the world, beside the plan. Each kind of run says more of its own (`src/kinds/`). */
import * as Schema from "effect/Schema"
import type { Selected } from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import { listedLines } from "../boundary/index.ts"
import type { ModelDescription } from "../models/index.ts"
import type { MemoryEstimate, TrainableCounts } from "./memory.ts"

export class ResolveError extends Schema.TaggedError<ResolveError>()("ResolveError", {
  /** of the plan */
  name: Schema.String,
  /** one message per problem; a message may have several lines */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return listedLines(this.problems, String)
  }
}

export type SiteOptions = Readonly<Record<string, unknown>>

/** What a model's description says of where an adapter may be. */
export type Adaptable = Pick<ModelDescription, "sites" | "parameters" | "prefix"> & {
  readonly head: Pick<ModelDescription["head"], "parameters">
}

/** A part of the data. */
export interface SplitSource {
  /** how many there are */
  readonly rows: number
  /** its file, or the source's name */
  readonly where: string
  /** where rows name files: these, with what tells their content, a line each */
  readonly list?: ReadonlyArray<string>
}

/** The splits of the data by their names. */
export interface Splits<Source extends SplitSource = SplitSource> {
  /** rows that are trained on */
  readonly train: Source
  /** rows that are evaluated on the way; absent: the plan has none */
  readonly validation?: Source
  /** rows that are evaluated at the end; absent: the plan has none */
  readonly test?: Source
}

/** A split in numbers. */
export interface SplitSummary {
  readonly split: keyof Splits
  readonly where: string
  readonly rows: number
  /** where rows have classes */
  readonly classes?: ReadonlyArray<{ readonly label: string; readonly rows: number }>
}

/** The data of a plan, opened: every row was read once. */
export interface OpenedData {
  /** train, and those of the others that the plan has */
  readonly splits: Splits
  /** what is not wrong but probably not meant, a sentence each */
  readonly warnings: ReadonlyArray<string>
  /** Rows and classes of every split, for a table. */
  readonly describe: () => ReadonlyArray<SplitSummary>
}

/** The prefix of a plan that keeps it. */
export interface PlannedPrefix {
  /** frozen ones, and all */
  readonly blocks: number
  readonly of: number
  /** of the rows that come again */
  readonly wanted: number
  /** bytes that may be kept */
  readonly bytes: number
  /** whether training's rows come again, or those of evaluations alone */
  readonly training: boolean
}

/**
 * A plan with what the world says to it: the model's description, open data, the layers that are adapted, the memory
 * that it takes. No weight is read yet.
 */
export interface ResolvedPlan<
  Plan extends RunPlan = RunPlan,
  Model extends Adaptable = Adaptable,
  Data extends OpenedData = OpenedData
> {
  /** with what was found out filled in: the labels */
  readonly plan: Plan
  /** what its runs are called */
  readonly name: string
  /** by its headers: no weight is read */
  readonly model: Model
  /** the options of each site are the method's own (rank, alpha … for lora) */
  readonly selected: Selected<SiteOptions>
  /** the splits, open for reading */
  readonly data: Data
  /** the model's folder or file on this machine */
  readonly base: string
  /** optimisation steps: given, or computed from the epochs */
  readonly steps: number
  /** how many numbers are trained, of how many */
  readonly trainable: TrainableCounts
  /** an estimate, in bytes, by what takes it */
  readonly memory: MemoryEstimate
  /** the frozen blocks that are computed once a row; null: there are none, or nothing comes again */
  readonly prefix: PlannedPrefix | null
  /** what is not wrong but probably not meant, a sentence each */
  readonly warnings: ReadonlyArray<string>
}
