/** The forms of calls, each by its name. */
import type { CallForm } from "./call-form.ts"
import { deepseek, functools, hermes, llamaJson, mistral, mistralArgs, phi } from "./json-forms.ts"
import { lfm2, pythonic, toolCode } from "./python-forms.ts"
import { gemma, gemma4, glm, qwenXml } from "./text-forms.ts"

/** The forms of calls. A text that two of them read is read alike by both. */
export const callForms = {
  hermes,
  "qwen-xml": qwenXml,
  glm,
  mistral,
  "mistral-args": mistralArgs,
  phi,
  functools,
  deepseek,
  gemma,
  gemma4,
  lfm2,
  "tool-code": toolCode,
  // the ones without marks of their own
  "llama-json": llamaJson,
  pythonic
} as const satisfies Readonly<Record<string, CallForm>>

/** The name of a form of calls. */
export type CallFormName = keyof typeof callForms
