/** The parts that differ between kinds over a `tf.LayersModel`: conversion of rows to the model's input, and names of rows. */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { ArraysPlan, ImageArraysPlan } from "../../../schemas/index.ts"
import type {
  ArrayBatch,
  BatchPosition,
  ClassificationData,
  ClassificationSplit,
  DataError,
  LabelledText,
  Numbered
} from "../../data/index.ts"
import type { DescribedLayers, LayersClassifier, Network } from "../../models/index.ts"
import type { ResolvedPlan } from "../../plan/index.ts"
import type { Mistakes } from "../../training/index.ts"
import type { Asked, AskedField, Runner, World } from "../contract/index.ts"

export type LayersPlan = ArraysPlan | ImageArraysPlan

export type ResolvedLayersPlan<
  Plan extends LayersPlan = LayersPlan,
  Data extends ClassificationData = ClassificationData
> = ResolvedPlan<Plan, DescribedLayers, Data>

/** Shape of one row, without the batch axis. */
export type RowShape = ReadonlyArray<number>

/** A loaded model with the resources that prepare its rows. */
export interface LayersWithRows<Ready> extends LayersClassifier {
  readonly ready: Ready
}

/** Conversion of rows to the input of a model. */
export interface RowsFor<Plan extends LayersPlan, Ready> {
  readonly plan: Plan
  readonly shape: RowShape
  readonly ready: Ready
}

export const shapeOf = ({ base }: LayersClassifier): RowShape => base.inputs[0]!.shape.slice(1) as RowShape

export const rowsFor = <Plan extends LayersPlan, Ready>(
  model: LayersWithRows<Ready>,
  plan: Plan
): RowsFor<Plan, Ready> => ({ plan, shape: shapeOf(model), ready: model.ready })

export interface LayersRows<
  Plan extends LayersPlan,
  Data extends ClassificationData = ClassificationData,
  Ready = unknown
> {
  /** returns why the model's input does not fit such rows, as the end of a sentence that begins with "its input"; undefined if it does */
  problemOfShape(shape: RowShape): string | undefined
  /** Opens the files of a section until the scope closes. Every row must fit an input of this shape. Fails with all problems at once. */
  open(section: Plan["data"], seed: number, shape: RowShape): Effect.Effect<Data, DataError, World>
  /** Opens the resources that prepare rows, until the scope closes. */
  readonly ready: (plan: Plan, shape: RowShape) => Effect.Effect<Ready, never, World>
  /** Returns endless batches from `start` on. The rows of batch (epoch, index) depend only on the seed. */
  training(
    split: ClassificationSplit,
    to: RowsFor<Plan, Ready>,
    start: BatchPosition
  ): Stream.Stream<ArrayBatch & Numbered, DataError>
  /** Returns batches of the first `rows` rows (default: all) in their order, each once. */
  evaluation(
    split: ClassificationSplit,
    to: RowsFor<Plan, Ready>,
    rows?: number | undefined
  ): Stream.Stream<ArrayBatch, DataError>
  /** Input fields by the shape of the model's input, and sample rows of a split. */
  readonly asking: {
    fields(plan: Plan, shape: RowShape): readonly [AskedField, ...ReadonlyArray<AskedField>]
    readonly examples: NonNullable<Runner<Plan, never, Network, ClassificationSplit>["asking"]>["examples"]
  }
  /** Returns why an input cannot be read, as the end of a sentence; undefined if it can. */
  problemOf(input: Asked, plan: Plan, shape: RowShape): string | undefined
  /** Reads the number of pixels of a row's image; absent for rows without images. See `Runner.images`. */
  pixels?(input: Asked, plan: Plan): { readonly pixels: number } | { readonly broken: string }
  /** Converts inputs to rows, each with the text of its prediction. `folder`: base of relative paths. */
  inputRows(
    inputs: ReadonlyArray<Asked>,
    plan: Plan,
    folder: string | undefined
  ): Effect.Effect<ReadonlyArray<LabelledText>, DataError>
  /** Reads rows without a class: the labels of the batch are 0. `apart`: whether other threads decode even a few rows. */
  read(
    rows: ReadonlyArray<LabelledText>,
    to: RowsFor<Plan, Ready>,
    apart?: boolean
  ): Effect.Effect<ArrayBatch, DataError>
  /** Collects misclassified rows of a split, at most `limit`. */
  readonly keepMistakes: (source: ClassificationSplit, limit: number) => Mistakes
}
