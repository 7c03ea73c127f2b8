/**
 * RoBERTa (Liu et al. 2019): BERT but for three things. Positions start after the padding id and count tokens only
 *
 *   position = padId + (number of tokens up to here) at tokens, padId at padding
 *
 * so no token uses the first padId + 1 rows of the table; a token is any id but the padding id. There is no pre-trained pooler: the
 * dense layer and its tanh belong to the classifier. And there is one token type.
 *
 * @see transformers `RobertaModel`, `RobertaForSequenceClassification`
 */
import * as tf from "@tensorflow/tfjs-core"
import { bertBlock, openBert } from "./bert.ts"
import type { Family } from "./encoder.ts"

const DEFAULT_PAD_ID = 1

/** RoBERTa, `model_type: "roberta"`. */
export const roberta: Family = {
  name: "roberta",
  className: "Roberta",
  prefix: "roberta.",
  outside: ["classifier"],
  headModules: ["classifier"],
  open: openBert(
    {
      block: bertBlock,
      head: {
        dense: "classifier.dense",
        activate: tf.tanh,
        classifier: "classifier.out_proj",
        isPretrained: false
      },
      reservedPositions: ({ padId }) => padId + 1,
      positionIds: (inputIds, { padId }) => {
        const isToken = tf.cast(tf.notEqual(inputIds, padId), "float32")
        return tf.cast(tf.add(tf.mul(tf.cumsum(isToken, 1), isToken), padId), "int32")
      }
    },
    DEFAULT_PAD_ID
  )
}
