/** All forms of tool calls by name. */
import type { CallForm } from "./call-form.ts"
import { deepseek, functools, hermes, llamaJson, mistral, mistralArgs, phi } from "./json-forms.ts"
import { lfm2, pythonic, toolCode } from "./python-forms.ts"
import { gemma, gemma4, glm, qwenXml } from "./text-forms.ts"

/** Forms of tool calls. A text that several of them can parse has the same meaning in each. */
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
  // forms without specific marks
  "llama-json": llamaJson,
  pythonic
} as const satisfies Readonly<Record<string, CallForm>>

/** The name of a form of tool calls. */
export type CallFormName = keyof typeof callForms
