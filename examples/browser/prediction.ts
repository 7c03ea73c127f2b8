/** Answers of the network: in the page and in Bun the same, on wasm to the bit. */
import * as tf from "@tensorflow/tfjs"
import { type Example, type Greys, inputsOf, SIDE } from "./digit-image.ts"

/** A LayersModel, or one with an adapter. */
export interface Reader {
  readonly predict: (x: tf.Tensor, options?: { readonly batchSize?: number }) => tf.Tensor | Array<tf.Tensor>
}

/** [images · 10] */
const answersOf = async (reader: Reader, images: ReadonlyArray<Greys>): Promise<Float32Array> => {
  const probabilities = tf.tidy(() => {
    const pixels = tf.tensor4d(inputsOf(images), [images.length, SIDE, SIDE, 1])
    return reader.predict(pixels) as tf.Tensor
  })
  try {
    return (await probabilities.data()) as Float32Array
  } finally {
    probabilities.dispose()
  }
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** The most probable digit as a sentence. */
export const sentenceOf = (probabilities: ReadonlyArray<number>): string => {
  const digit = probabilities.indexOf(Math.max(...probabilities))
  return `Reads a ${digit} (${percent(probabilities[digit]!)})`
}

/** Probabilities of the ten digits. */
export const probabilitiesOf = async (reader: Reader, greys: Greys): Promise<ReadonlyArray<number>> => [
  ...(await answersOf(reader, [greys]))
]

/** How many of the examples are read right; a few at a time, so that the page goes on. */
export const countRight = async (reader: Reader, examples: ReadonlyArray<Example>): Promise<number> => {
  let right = 0
  for (let at = 0; at < examples.length; at += 16) {
    const some = examples.slice(at, at + 16)
    const answers = await answersOf(
      reader,
      some.map(({ greys }) => greys)
    )
    some.forEach(({ label }, i) => {
      const own = [...answers.subarray(10 * i, 10 * i + 10)]
      if (own.indexOf(Math.max(...own)) === label) right += 1
    })
    await new Promise((resume) => setTimeout(resume))
  }
  return right
}
