/**
 * Methods of WebGPU's interfaces, wrapped for a measurement: whoever calls them is seen, our kernels and tfjs's own
 * alike. Pipelines carry the name of what they run as their label, in tfjs (the class of the program) as in our engine
 * (the program's name).
 */

type Method<T, K extends keyof T> = T[K] extends (...args: infer A) => infer R ? (this: T, ...args: A) => R : never

/** Replaces a method in the prototype by `around(the method)`, for the rest of the process. */
export const wrap = <T extends object, K extends keyof T>(
  { prototype }: { readonly prototype: T },
  name: K,
  around: (inner: Method<T, K>) => Method<T, K>
): void => {
  prototype[name] = around(prototype[name] as Method<T, K>) as T[K]
}

export const labelOf = (pipeline: GPUComputePipeline): string => pipeline.label || "without a label"
