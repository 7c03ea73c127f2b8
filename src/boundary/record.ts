import * as Predicate from "effect/Predicate"

/** Checks whether a value from outside is an object: neither null nor an array. */
export const isRecord: (value: unknown) => value is Readonly<Record<string, unknown>> = Predicate.isReadonlyObject
