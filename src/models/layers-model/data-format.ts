/** Pictures with their channels first, which tfjs turns over before it computes, and back. */
import * as tf from "@tensorflow/tfjs"

export interface DataFormat {
  readonly dataFormat?: "channelsLast" | "channelsFirst" | "channels_last" | "channels_first"
}

const isFirst = ({ dataFormat = "channelsLast" }: DataFormat): boolean => /first/i.test(dataFormat)

const range = (from: number, to: number): Array<number> => Array.from({ length: to - from }, (_, i) => from + i)

/** [batch, channels, …] → [batch, …, channels], where the channels are first. */
export const channelsLast = (x: tf.Tensor, format: DataFormat): tf.Tensor =>
  isFirst(format) ? tf.transpose(x, [0, ...range(2, x.rank), 1]) : x

/** And back. */
export const inFormat = (y: tf.Tensor, format: DataFormat): tf.Tensor =>
  isFirst(format) ? tf.transpose(y, [0, y.rank - 1, ...range(1, y.rank - 1)]) : y
