/**
 * How a verb travels: one request, one answer or any number of events and an end; and before them what is done meanwhile, where that takes
 * long. The same messages go through a worker's port, the pipes of a child process, and HTTP, where an event is a server-sent one.
 */
import type { Working } from "../../progress/index.ts"

/** What went wrong, for people. */
export interface Problem {
  /** the error's tag, such as "PlanError" */
  readonly tag: string
  readonly message: string
}

/** What is done for an answer that takes long. The host says it of any verb; nothing depends on who hears it. */
export type Doing = Omit<Working, "kind">

export type Request =
  | { readonly id: number; readonly call: string; readonly input: unknown }
  | { readonly id: number; readonly watch: string; readonly input: unknown }
  /** whoever asked wants no more of it */
  | { readonly id: number; readonly cancel: true }

export type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly event: unknown }
  | { readonly id: number; readonly doing: Doing }
  | { readonly id: number; readonly end: true }
  | { readonly id: number; readonly problem: Problem }
