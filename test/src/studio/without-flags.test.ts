/** Messages of commands as the studio's page shows them. */
import { expect, test } from "bun:test"
import { withoutFlags } from "../../../src/studio/engine/without-flags.ts"

test("messages name fields and models in place of flags", () => {
  expect(withoutFlags("no rows to evaluate on: add --validation or --test, or the gain will be unknown")).toBe(
    "no rows to evaluate on: add “validation” or “test”, or the gain will be unknown"
  )
  expect(withoutFlags("name the columns with --text and --text-pair")).toBe(
    "name the columns with “text” and “text pair”"
  )
  expect(withoutFlags("this needs an encoder, such as --model hf:lab/minilm")).toBe(
    "this needs an encoder, such as hf:lab/minilm"
  )
  expect(withoutFlags('set data.encoding to "latin1" (of suggest: --encoding); else save the file as UTF-8')).toBe(
    'set data.encoding to "latin1"; else save the file as UTF-8'
  )
  expect(withoutFlags("use --format huggingface")).toBe("use Hugging Face folder")
  expect(withoutFlags("name one with --base-model")).toBe("name one with “Base model on the Hub”")
  expect(withoutFlags("report.html shows them (use --report to send it)")).toBe(
    "report.html shows them (use “Include the report” to send it)"
  )
})
