/** Returns the fields of options in code that are not undefined: those that were not left out. */
export const withoutUndefined = (options: unknown): unknown =>
  typeof options === "object" && options !== null
    ? Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
    : options
