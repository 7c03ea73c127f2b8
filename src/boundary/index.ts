/** The boundary of the program: limits on input from outside, and safe display of text from outside. */
export { counted, wholeNumber } from "./counts.ts"
export {
  LIMITS_VARIABLE,
  type LimitName,
  limit,
  limits,
  overLimit,
  setLimits,
  setLimitsFromText
} from "./limits.ts"
export {
  byteSize,
  duration,
  number,
  percent,
  roughDuration,
  scientific,
  score
} from "./quantities.ts"
export { isRecord } from "./record.ts"
export { shownArgument, withoutSecrets, withoutSecretsIn } from "./secrets.ts"
export {
  capital,
  cut,
  cutLines,
  Listing,
  listed,
  listedLines,
  messageOf,
  mostListed,
  printable,
  printableLine,
  quoted,
  shellWord
} from "./text.ts"
