/** The part of a kind of run that the studio, `serve` and the commands use: predictions, vectors and texts of a trained model. */
import type * as Effect from "effect/Effect"
import type { Adapted } from "../../../adapters/index.ts"
import type { RunPlan } from "../../../schemas/index.ts"
import type { CausalSplit } from "../../data/causal/index.ts"
import type { DataError } from "../../data/index.ts"
import type { Device } from "../../device/device.ts"
import type { Files } from "../../files/index.ts"
import type { TokenObserver, Turn } from "../../generation/index.ts"
import type { CausalModel } from "../../models/causal/index.ts"
import type { ModelError, Network } from "../../models/index.ts"
import type { SplitSource, Splits } from "../../plan/index.ts"
import type { Reported, World } from "./world.ts"

/** An input: a text, or a row with the columns of the plan (required for pairs of texts). */
export type Asked = string | Readonly<Record<string, unknown>>

/** An input field of a run: a column of its rows. */
export interface AskedField {
  /** name of the column */
  readonly name: string
  /** "image": a data: URI; "number": one number, as text; "numbers": a JSON list */
  readonly type: "text" | "image" | "number" | "numbers"
  /** shape of the model's input, for numbers; row-major */
  readonly shape?: ReadonlyArray<number>
}

/** A labelled part of a text. */
export interface PredictedSpan {
  /** the part */
  readonly text: string
  /** first character, an index into the text in UTF-16 code units */
  readonly start: number
  /** end, exclusive */
  readonly end: number
  /** type of the entity, or label of the word */
  readonly label: string
  /** mean probability of its words' labels, in [0, 1] */
  readonly score: number
}

/** A prediction for a row. Kinds add fields such as probabilities and values. */
export interface Prediction {
  /** text of the row; the file of an image, the list of a row of numbers */
  readonly text: string
  /** second text of a pair; absent for rows with one text */
  readonly textPair?: string
  /** the answer as text: a class, several classes separated by commas, or a value */
  readonly label: string
  /** outputs of the model by name; logits by label for a classifier */
  readonly logits: Readonly<Record<string, number>>
  /** probability of each label; present where the outputs are labels */
  readonly probabilities?: Readonly<Record<string, number>>
  /** predicted labels; present where a row has any number of them */
  readonly labels?: ReadonlyArray<string>
  /** labelled parts of the text, in its order; present where words have labels */
  readonly spans?: ReadonlyArray<PredictedSpan>
  /** predicted values in the units of the data */
  readonly values?: Readonly<Record<string, number>>
}

/** A trained model and its plan. */
export interface Trained<Plan extends RunPlan = RunPlan, M extends Network = Network> {
  /** decoded plan of the run */
  readonly plan: Plan
  /** base model with the trained adapter */
  readonly adapted: Adapted<M>
  /** number of training steps; NaN for external adapters, which do not state it */
  readonly steps: number
}

/** A language model and the format of its prompts. */
export interface Writing {
  /** base model with the trained adapter */
  readonly adapted: Adapted<CausalModel>
  /** whether it was trained on conversations */
  readonly chat: boolean
  /** default system message of the training conversations */
  readonly system: string | undefined
}

/** Options for generating texts from inputs. */
export interface WriteOptions {
  /** maximum tokens per text; default: the plan's */
  readonly maxTokens?: number | undefined
  /** beams of beam search; default 1, greedy decoding */
  readonly beams?: number | undefined
  /** whether to use the input without the plan's prefix */
  readonly plain?: boolean | undefined
  /** whether to use the base model without the adapter */
  readonly base?: boolean | undefined
}

/** Options for generating a text with a callback per token. */
export interface ObservedWriting {
  /** maximum tokens of the text */
  readonly maxTokens: number
  /** sampling temperature; 0: greedy decoding */
  readonly temperature: number
  /** seed of sampling */
  readonly seed: number
  /** whether to use the base model without the adapter */
  readonly base: boolean
  /** called with each token */
  readonly observer: TokenObserver
  /** runs each forward pass */
  readonly turn: Turn
}

/** A text generated for an input. */
export interface WrittenText {
  /** generated text, without the end token */
  readonly text: string
  /** number of generated tokens */
  readonly tokens: number
  /** reason for the end: "eos", the end token; "length", the token limit */
  readonly finish: "eos" | "length"
}

// methods, so that a kind can narrow their arguments
/** Inputs and outputs of a trained model: its input fields, checks of rows, and its predictions, vectors or texts. */
export interface Answers<
  Plan extends RunPlan = RunPlan,
  M extends Network = Network,
  Source extends SplitSource = SplitSource
> {
  /** Input fields of the run; absent if it takes no inputs. */
  readonly asking?: {
    /** Returns the input fields in order. A model that continues texts has one field, the text. */
    fields(adapted: Adapted<M>, plan: Plan): readonly [AskedField, ...ReadonlyArray<AskedField>]
    /** Returns sample rows of a split with these fields; `tools`: the tools of a conversation, as JSON text. */
    examples(
      source: Source,
      plan: Plan,
      rows: ReadonlyArray<number>
    ): Effect.Effect<ReadonlyArray<Readonly<Record<string, string>>>, Reported, Files>
  }
  /**
   * Returns why a text or a row cannot be predicted, as the end of a sentence that begins with its place; undefined if it can. Absent for
   * kinds without predictions.
   */
  problemOf?(adapted: Adapted<M>, plan: Plan, row: Asked): string | undefined
  /** Checks of rows with images before decoding; absent for rows without images. */
  readonly images?: {
    /**
     * Reads the number of pixels of an untrusted row's image from its header; `broken`: why the row is rejected, such as a path or a URL.
     */
    pixels(plan: Plan, row: Asked): { readonly pixels: number } | { readonly broken: string }
    /** Splits `predict` in two: decodes the images of the rows without a device, and returns the effect that predicts them. */
    decoded(
      adapted: Adapted<M>,
      plan: Plan,
      rows: ReadonlyArray<Asked>
    ): Effect.Effect<Effect.Effect<ReadonlyArray<Prediction>, Reported, Device>, Reported, Device>
  }
  /** Predicts rows, one prediction each, in their order. `folder`: base of relative paths in rows; default: the working directory. */
  predict(
    adapted: Adapted<M>,
    plan: Plan,
    rows: ReadonlyArray<Asked>,
    folder?: string
  ): Effect.Effect<ReadonlyArray<Prediction>, Reported, Device>
  /** Embeds texts, one vector each, in their order; present for embedding models. */
  embed?(
    adapted: Adapted<M>,
    plan: Plan,
    texts: ReadonlyArray<string>
  ): Effect.Effect<ReadonlyArray<Float32Array>, Reported, Device>
  /** Generates a text for each input, in their order; present for encoder-decoder models. */
  write?(
    adapted: Adapted<M>,
    plan: Plan,
    texts: ReadonlyArray<string>,
    options: WriteOptions
  ): Effect.Effect<ReadonlyArray<WrittenText>, Reported, Device>
  /** Generates one text and reports each token when it is chosen. */
  writeObserved?(
    adapted: Adapted<M>,
    plan: Plan,
    text: string,
    options: ObservedWriting
  ): Effect.Effect<WrittenText["finish"], Reported, Device>
  /** Methods of models that continue texts; absent for other models. */
  readonly generation?: {
    writing(trained: Trained<Plan, M>): Writing & { readonly plan: Plan }
    /** Opens the rows of a trained plan, whose prompts are used as inputs; see `splits`. */
    splits(
      writing: Pick<Writing, "adapted">,
      plan: Plan,
      file?: string
    ): Effect.Effect<Splits<CausalSplit>, DataError | ModelError, World>
  }
}
