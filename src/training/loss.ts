/** Losses: logits and labels → a scalar, the mean over the rows of the batch. Synchronous tensor code. */
import type { Scalar, Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import { sparseCrossEntropy } from "../kernels/cross-entropy.ts"

/** logits [batch, classes], labels int32 [batch] → scalar */
export type Loss = (logits: Tensor2D, labels: Tensor1D) => Scalar

/** Mean of log Σⱼ exp zⱼ − z_label over the rows whose label is not −100. Large logits do not overflow. */
export const crossEntropy: Loss = (logits, labels) => sparseCrossEntropy(logits, labels)
