/** The door of this room: the ops that kernels of our own compute. */
export { declaredKernels, type Field, type Kernel, layoutOf } from "./declaration.ts"
export { gelu } from "./gelu.ts"
