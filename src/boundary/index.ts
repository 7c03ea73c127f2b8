/** The boundary of the program: limits on input from outside, and safe display of text from outside. */
export {
  LIMITS_VARIABLE,
  type LimitName,
  limit,
  limits,
  overLimit,
  setLimits,
  setLimitsFromText
} from "./limits.ts"
export { isRecord } from "./record.ts"
export { shownArgument, withoutSecrets, withoutSecretsIn } from "./secrets.ts"
export {
  capital,
  counted,
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
