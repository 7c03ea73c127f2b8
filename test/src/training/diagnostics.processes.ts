/** The theorem at looks in the middle of training: every choice of X in every form, and on cpu, which takes seconds. */
import { describeOn } from "../../backends.ts"
import { others, quick, testPlain, testTheorem } from "./probed-steps.ts"

describeOn("wasm", () => testTheorem(others))
describeOn("cpu", () => {
  testTheorem(quick.filter(([, x]) => x === "sylvester"))
  testPlain()
})
