/** Formats whole numbers and counts. Apart from the other quantities, since every page that loads the package has these alone. */

/** Formats a whole number with thousands separators: 1350 → "1,350"; a missing one is "–". */
export const wholeNumber = (value: number | bigint | null | undefined): string => value?.toLocaleString("en") ?? "–"

/** Formats a count and its unit: "1 row", "1,350 rows". `many`: the plural, if it is not formed with an s. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${wholeNumber(count)} ${count === 1 ? one : many}`
