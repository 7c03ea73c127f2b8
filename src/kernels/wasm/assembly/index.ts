/** What the module exports: kernels `(args, chunk, scratch)`. */
export { attention, attentionGradient } from "./attention"
export { nn, nt, tn } from "./product"
