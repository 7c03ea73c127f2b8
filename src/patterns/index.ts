/** Regular expressions from outside, in bounded time. */
export { LinearRegExp } from "./linear-reg-exp.ts"
