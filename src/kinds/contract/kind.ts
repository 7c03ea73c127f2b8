/**
 * A kind of run is one value: what a plan says of it before weights are read (`RunKind`), what trains it and uses what was trained
 * (`Runner`), and what is made of a finished run to be given away (`Publisher`). The last two are loaded when they are needed: `validate`
 * trains nothing, and a page publishes nothing. Whatever trains, evaluates, merges, compares, suggests or reports is written against
 * the three and knows no kind by its name; `index.ts` is the table.
 *
 * A new kind is a folder here, its sections of a plan in `schemas/`, and a line of the table.
 */
import type * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Adapted } from "../../../adapters/index.ts"
import type { RunPlan } from "../../../schemas/index.ts"
import type { CausalSplit, RenderedSample } from "../../data/causal/index.ts"
import type { BatchPosition, DataError } from "../../data/index.ts"
import type { Device } from "../../device/device.ts"
import type { DeviceError } from "../../device/index.ts"
import type { TokenObserver, Turn } from "../../generation/index.ts"
import type { CausalModel } from "../../models/causal/index.ts"
import type { BatchOf, ModelError, Network } from "../../models/index.ts"
import type { Baseline, CardParts, CardSource, WrittenModel } from "../../output/index.ts"
import type { Started } from "../../output/peft/start-from.ts"
import type { PeftAdapter } from "../../peft/index.ts"
import type { ResolvedPlan, ResolveError, SplitSource, Splits } from "../../plan/index.ts"
import type { RankError } from "../../ranks/index.ts"
import type { Detecting, Suggesting } from "../../suggest/index.ts"
import type { DeviceReadError } from "../../tensors/index.ts"
import type { ClassedRow, Evaluation, Loss, Metrics, Mistakes, RowScores } from "../../training/index.ts"
import type { Served } from "./served.ts"

export type { Baseline } from "../../output/index.ts"
export type { Served, ServedFile, ServedInput } from "./served.ts"

type Files = FileSystem.FileSystem | Path.Path
/** What is asked before a device is. */
export type World = Files | Scope.Scope

/** A failure whose message says all that a user needs. */
export interface Reported {
  /** which failure it is */
  readonly _tag: string
  /** sentences that say what, where, and what to do */
  readonly message: string
}

// methods, whose arguments a kind narrows to its own
/** What a plan says of its kind of run, without a weight and without a device. */
export interface RunKind<Plan extends RunPlan = RunPlan, R extends ResolvedPlan = ResolvedPlan> {
  /** what its evaluations measure, in the order in which they are listed; `loss` is one of them */
  readonly metrics: Metrics
  /** names of the metrics that a sentence about a run speaks of; methods are compared by the first */
  readonly headline: readonly [string, ...ReadonlyArray<string>]
  /**
   * What answering without looking at a row would reach on `split`, by what is known of the training rows; null: the model before
   * training is what there is to compare with.
   */
  baseline(data: R["data"], split: "validation" | "test"): Baseline | null
  /** Asks the world whether the plan can run. All problems come back together. */
  resolve(plan: Plan, name: string): Effect.Effect<R, ResolveError, World>
  /** The model of a plan that was trained, by its headers. */
  describe(plan: Plan): Effect.Effect<R["model"], ModelError, World>
  /** The model's folder or file on this machine. */
  baseOf(plan: Plan, model: R["model"]): string
  /** Class names, in the order of the logits; none where rows have no classes. */
  labelsOf(model: R["model"]): ReadonlyArray<string>
  /** What `validate` and `train` say of a plan. */
  readonly words: {
    /** the model in a few words, and its name alone */
    model(model: R["model"]): string
    modelName(model: R["model"]): string
    /** what there is before training: "the untrained head" */
    untrained(model: R["model"]): string
    /** what `predict` prints before the text; absent where there is nothing to predict */
    prediction?(prediction: Prediction): string
    /** what the rows of a split hold */
    rows(split: ReturnType<R["data"]["describe"]>[number]): string
    /** what the speed of a step is counted in; "tokens" unless given */
    readonly unit?: string
    /** further lines of `validate` by their names: `weights`, `lengths` of texts, sizes of `images` */
    lines(resolved: R): { readonly weights?: string; readonly lengths?: string; readonly images?: string }
    /** `model` of `validate --json`, and what else it says of such a plan */
    json(resolved: R): { readonly model: object; readonly lengths?: object; readonly images?: object }
  }
  /** The first training row as the model will see it, where that is worth seeing. */
  sample?(resolved: R): Effect.Effect<RenderedSample, DataError>
  readonly suggesting: Suggesting<R>
  readonly detecting: Detecting
  /** What it makes of an adapter of PEFT that came without a plan; absent where PEFT has no such models. */
  readonly adopting?: () => Promise<Adopting>
  /** The command that uses a finished run, without the program's name; `run`: its folder, as a word of a shell. */
  next(plan: Plan, run: string): string
  /** An evaluation in full, where there is more to see than a line. */
  details?(labels: ReadonlyArray<string>, evaluation: Evaluation): string
  readonly runner: () => Promise<Runner>
  readonly publisher: () => Promise<Publisher>
}

/** How adapters of PEFT from elsewhere become a kind's. */
export interface Adopting {
  /**
   * The sections of a plan for an adapter over the base `source`, as they are written; null: it is of another kind. `evaluated`: on rows
   * that say what is right.
   */
  sections(
    adapter: PeftAdapter,
    source: string,
    evaluated: boolean
  ): Effect.Effect<{ readonly model: object; readonly data: object } | null, Reported, World>
  /** Rows by which a merged model is held against the adapter's, where no others are at hand. */
  sample(labels: ReadonlyArray<string>): ReadonlyArray<object>
}

export interface EvaluateOptions {
  /** the first rows, this many; all unless given */
  readonly rows?: number | undefined
  /** where the rows that come out wrong are kept */
  readonly mistakes?: Mistakes | undefined
  /** called with the rows of each batch, where rows have one class each */
  readonly classed?: ((rows: ReadonlyArray<ClassedRow>) => void) | undefined
  /** called at the end with each metric as a function of the rows */
  readonly scored?: ((scores: RowScores) => void) | undefined
  /** called with the number of rows that are done */
  readonly done: (rows: number) => Effect.Effect<void>
}

/** What a user asks about: a text, or a row with the columns of the plan (a pair of texts has no other form). */
export type Asked = string | Readonly<Record<string, unknown>>

/** What a user fills in to ask a run: a column of its rows. */
export interface AskedField {
  /** the column's */
  readonly name: string
  /** "image": a data: URI; "number": one, as text; "numbers": a JSON list */
  readonly type: "text" | "image" | "number" | "numbers"
  /** of numbers: how the model's input arranges them, row by row */
  readonly shape?: ReadonlyArray<number>
}

/** What the model says of a row. A kind adds what its models say besides: probabilities, values. */
export interface Prediction {
  /** the row's text; of an image its file, of numbers their list */
  readonly text: string
  /** the second text of a pair; absent: rows have one */
  readonly textPair?: string
  /** in a word: a class, several of them with commas between, a value */
  readonly label: string
  /** the model's outputs by their names: of a classifier label → logit */
  readonly logits: Readonly<Record<string, number>>
  /** probability of each label, where the outputs are labels */
  readonly probabilities?: Readonly<Record<string, number>>
  /** the labels that are given, where they are any number */
  readonly labels?: ReadonlyArray<string>
  /** numbers in the data's units, where that is what the model says */
  readonly values?: Readonly<Record<string, number>>
}

/** A trained model and the plan that it was trained by. */
export interface Trained<Plan extends RunPlan = RunPlan, M extends Network = Network> {
  /** the run's own, decoded */
  readonly plan: Plan
  /** the base model with the trained adapter in it */
  readonly adapted: Adapted<M>
  /** steps it was trained for; NaN of an adapter from elsewhere, which does not say */
  readonly steps: number
}

/** What a model is loaded by. */
export type Loadable<R extends ResolvedPlan = ResolvedPlan> = Pick<R, "plan" | "selected" | "model">

/** A language model, and how it was taught to be spoken to. */
export interface Writing {
  /** the model with what was trained */
  readonly adapted: Adapted<CausalModel>
  /** it learned conversations */
  readonly chat: boolean
  /** what conversations without a system message of their own began with in training */
  readonly system: string | undefined
}

/** How texts are written for those that are read. */
export interface WriteOptions {
  /** tokens of a text at most; the plan's unless given */
  readonly maxTokens?: number | undefined
  /** continuations that are followed at a time, of which the most probable text is taken; 1, the most probable token each time, unless given */
  readonly beams?: number | undefined
  /** the text that is read is taken as it is, without what the plan puts before it */
  readonly plain?: boolean | undefined
  /** the frozen weights alone, without what was trained */
  readonly base?: boolean | undefined
}

/** How a text is written whose tokens are reported as they are chosen. */
export interface ObservedWriting {
  /** tokens of the text at most */
  readonly maxTokens: number
  /** 0: always the most probable token */
  readonly temperature: number
  /** of the choice at a temperature above 0 */
  readonly seed: number
  /** the frozen weights alone, without what was trained */
  readonly base: boolean
  /** told of each token */
  readonly observer: TokenObserver
  /** how each forward pass is run */
  readonly turn: Turn
}

/** A text that was written for one that was read. */
export interface WrittenText {
  /** without the token that ended it */
  readonly text: string
  /** tokens that were chosen */
  readonly tokens: number
  /** whether it came to its end, or to as many tokens as it may have */
  readonly finish: "eos" | "length"
}

/** What trains a plan of a kind, and uses what was trained. */
export interface Runner<
  Plan extends RunPlan = RunPlan,
  R extends ResolvedPlan = ResolvedPlan,
  M extends Network = Network,
  Source extends SplitSource = SplitSource
> {
  loss(model: M, resolved: R): Loss<M>
  /** The model on the device, frozen, for as long as the scope. */
  load(resolved: Loadable<R>): Effect.Effect<M, ModelError, World>
  /** The plan's batches from `start` on, without end; the same on every rank, where they are asked for together. */
  batches(
    model: M,
    resolved: R,
    start: BatchPosition
  ): Stream.Stream<BatchOf<M>, DataError | DeviceReadError | RankError, Device>
  /** The rows of a trained plan once more, or those of another file with its columns, which are called "train". */
  splits(adapted: Adapted<M>, plan: Plan, file?: string): Effect.Effect<Splits<Source>, DataError | ModelError, World>
  /** Loss and scores on rows of a split, each once; the same on every rank, among which the rows are divided. */
  evaluate(
    adapted: Adapted<M>,
    plan: Plan,
    source: Source,
    options: EvaluateOptions
  ): Effect.Effect<Evaluation, DataError | DeviceReadError | DeviceError | RankError, Device>
  /**
   * What is decided on rows when training is over, such as thresholds: called with the state that stays, before the last evaluations and
   * before it is saved, on every rank.
   */
  settle?(adapted: Adapted<M>, resolved: R): Effect.Effect<void, DataError | DeviceReadError | RankError, Device>
  /** Keeps the rows of a split that come out wrong, at most `limit`; absent where none of them tells much. */
  keepMistakes?(source: Source, limit: number): Mistakes
  /** How users ask the run; absent where there is nothing to ask. */
  readonly asking?: {
    /** What they fill in, in its order. A model that goes on with texts has one, the text. */
    fields(adapted: Adapted<M>, plan: Plan): readonly [AskedField, ...ReadonlyArray<AskedField>]
    /** Rows of a split by these fields, to begin with; `tools`: what a conversation's model may call, as JSON text. */
    examples(
      source: Source,
      plan: Plan,
      rows: ReadonlyArray<number>
    ): Effect.Effect<ReadonlyArray<Readonly<Record<string, string>>>, Reported, Files>
  }
  /**
   * What keeps a text or a row from being predicted, as the end of a sentence that begins with its place; undefined: nothing does. Absent
   * where nothing is predicted.
   */
  problemOf?(adapted: Adapted<M>, plan: Plan, row: Asked): string | undefined
  /** What is known of rows that contain images before one is decoded; absent where rows have none. */
  readonly images?: {
    /** Pixels of the image in a row from others, by its header; `broken`: why the row is rejected, such as a path or a URL. */
    pixels(plan: Plan, row: Asked): { readonly pixels: number } | { readonly broken: string }
    /** `predict` in two parts: decodes the rows' images, which takes no device, and returns the effect of the rest. */
    decoded(
      adapted: Adapted<M>,
      plan: Plan,
      rows: ReadonlyArray<Asked>
    ): Effect.Effect<Effect.Effect<ReadonlyArray<Prediction>, Reported, Device>, Reported, Device>
  }
  /**
   * What the model says of users' texts or rows, one prediction each, in their order. `folder`: what paths in rows are relative to; the
   * working directory unless given.
   */
  predict(
    adapted: Adapted<M>,
    plan: Plan,
    rows: ReadonlyArray<Asked>,
    folder?: string
  ): Effect.Effect<ReadonlyArray<Prediction>, Reported, Device>
  /** The vectors of texts, one each, in their order; present where the model makes vectors. */
  embed?(
    adapted: Adapted<M>,
    plan: Plan,
    texts: ReadonlyArray<string>
  ): Effect.Effect<ReadonlyArray<Float32Array>, Reported, Device>
  /** The texts that the model writes for others, one each, in their order; present where it reads one text and writes another. */
  write?(
    adapted: Adapted<M>,
    plan: Plan,
    texts: ReadonlyArray<string>,
    options: WriteOptions
  ): Effect.Effect<ReadonlyArray<WrittenText>, Reported, Device>
  /** The same for one text, each token reported as it is chosen. */
  writeObserved?(
    adapted: Adapted<M>,
    plan: Plan,
    text: string,
    options: ObservedWriting
  ): Effect.Effect<WrittenText["finish"], Reported, Device>
  /** Present where the model goes on with the texts that it reads. */
  readonly generation?: {
    writing(trained: Trained<Plan, M>): Writing & { readonly plan: Plan }
    /** The rows of a trained plan, whose prompts can be asked; see `splits`. */
    splits(
      writing: Pick<Writing, "adapted">,
      plan: Plan,
      file?: string
    ): Effect.Effect<Splits<CausalSplit>, DataError | ModelError, World>
  }
  /** Writes what was trained into a folder. */
  save(adapted: Adapted<M>, resolved: R, folder: string): Effect.Effect<void, Reported, Files>
  /** Puts what a folder holds in place of what `adapted` started with. */
  restore(adapted: Adapted<M>, plan: Plan, folder: string): Effect.Effect<void, Reported, Files>
  /** The same with an adapter of PEFT from elsewhere, whose head may be another one; absent where PEFT has no such models. */
  begin?(adapted: Adapted<M>, source: PeftAdapter): Effect.Effect<Started, Reported, World>
  /**
   * Whether the model that a plan began with is asked again after training has begun (a reference): a run that goes on or is evaluated then
   * begins with `adapter.from` once more before its own numbers are put in place. Absent: never.
   */
  asksBeginning?(plan: Plan): boolean
}

/** What is made of a finished run for others. */
export interface Publisher<
  Plan extends RunPlan = RunPlan,
  R extends ResolvedPlan = ResolvedPlan,
  M extends Network = Network,
  Source extends SplitSource = SplitSource
> {
  /** The other program that reads the adapter; null: none does. */
  readerOf(plan: Plan): string | null
  /** What `merge` writes: a folder of Hugging Face, or the model.json of a tf.LayersModel. */
  readonly mergesInto: "huggingface" | "layers-model"
  /**
   * How other engines run the model, for as long as the scope; or why its forward pass is no function of a row's arrays, as the end of a
   * sentence that begins with the run's place.
   */
  readonly served: string | { of(trained: Trained<Plan, M>): Effect.Effect<Served, Reported, Device | World> }
  /** The kind's part of the adapter's model card. */
  card(source: CardSource<R>): CardParts
  /**
   * Writes a run's model with what was trained merged into it, and takes what is needed of the run after it has left the device.
   * `splits`: the runner's; `run`: the run's folder.
   */
  merge(
    trained: Trained<Plan, M>,
    splits: Runner<Plan, R, M, Source>["splits"],
    run: string,
    folder: string
  ): Effect.Effect<WrittenModel, Reported, Device | World>
}

/** A kind with what trains it. */
export interface LoadedKind extends RunKind, Runner {}
