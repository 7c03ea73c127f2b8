import * as Predicate from "effect/Predicate"

/** Whether a value from outside has keys: it is neither null nor a list. */
export const isRecord: (value: unknown) => value is Readonly<Record<string, unknown>> = Predicate.isReadonlyObject
