/** Regular expressions from untrusted sources, in bounded time; characters as in Rust's regex library. */
export { LinearRegExp } from "./linear-reg-exp.ts"
export { type Node as PatternNode, parse, UnboundedPattern } from "./parse.ts"
export { pattern, withOwnClasses } from "./unicode/classes.ts"
export { lowercase, normalize, trimmed } from "./unicode/text.ts"
