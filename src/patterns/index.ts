/** Regular expressions from outside, in bounded time. */
export { LinearRegExp } from "./linear-reg-exp.ts"
export { type Node as PatternNode, parse, UnboundedPattern } from "./parse.ts"
