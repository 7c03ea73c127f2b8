/** `tf.tidy` for any result: tfjs types the container as mutable, ours are read-only trees of tensors. */
import * as tf from "@tensorflow/tfjs"

export const tidy = <T>(f: () => T): T => tf.tidy(f as () => tf.TensorContainer) as T
