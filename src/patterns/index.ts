/** Regular expressions from outside, in bounded time; characters as the Rust library has them. */
export { LinearRegExp } from "./linear-reg-exp.ts"
export { type Node as PatternNode, parse, UnboundedPattern } from "./parse.ts"
export { pattern, withOwnClasses } from "./unicode/classes.ts"
export { lowercase, normalize, trimmed } from "./unicode/text.ts"
