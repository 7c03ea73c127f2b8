/**
 * Programs that do not need one another's results, in one dispatch: the first groups are the one's, the rest the other's. A small model's
 * step is as long as its dispatches are many, and few of them fill a GPU.
 *
 * The text is that of both. What the second declares (buffers, words, functions, constants, workgroup memory) goes by its name and a `_`;
 * what both read, with the same elements, is bound once.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { Span, WebgpuEngine } from "./engine.ts"
import { MOST_BUFFERS, type Program, program } from "./program.ts"

/** A program with its buffers, words and number of workgroups. */
export interface Dispatch {
  readonly program: Program
  readonly buffers: Readonly<Record<string, TensorInfo | Span>>
  readonly words: Readonly<Record<string, number>>
  readonly groups: number
}

/** Names of the second's buffers, as the first has them. */
type Shared = Readonly<Record<string, string>>

const sharedBy = (first: Dispatch, second: Dispatch): Shared => {
  const shared: Record<string, string> = {}
  for (const name in second.buffers) {
    const declared = second.program.buffers[name]!
    if (declared.writes) continue
    for (const other in first.buffers) {
      const known = first.program.buffers[other]!
      if (second.buffers[name] === first.buffers[other] && known.element === declared.element && !known.writes)
        shared[name] = other
    }
  }
  return shared
}

const DECLARES = /\b(?:fn|const|alias|var<workgroup>)\s+(\w+)/g

const namesIn = (body: string): ReadonlyArray<string> => [...body.matchAll(DECLARES)].map(([, name]) => name!)

/** A text with some of its names changed; what follows a point, a member, is none of them. */
const renamed = (body: string, names: ReadonlyMap<string, string>): string =>
  body.replace(/(?<![.\w])[A-Za-z_]\w*/g, (name) => names.get(name) ?? name)

const marks = new Map<string, string>()

/** What the second's names become. */
const marked = (name: string): string => {
  const known = marks.get(name)
  if (known !== undefined) return known
  const it = `${name}_`
  marks.set(name, it)
  return it
}

const merged = (first: Program, second: Program, shared: Shared): Program => {
  const secondOnly = Object.keys(second.buffers).filter((name) => shared[name] === undefined)
  const names = new Map<string, string>([
    ...[...secondOnly, ...namesIn(second.body)].map((name) => [name, marked(name)] as const),
    ...Object.entries(shared)
  ])
  const ofSecond = <T>(of: Readonly<Record<string, T>>, some: ReadonlyArray<string>): Readonly<Record<string, T>> =>
    Object.fromEntries(some.map((name) => [marked(name), of[name]!]))
  const workgroup = Math.max(first.workgroup, second.workgroup)
  // where there are barriers, the workgroups are as large (`canMerge`)
  const guard = (it: Program) => (it.workgroup < workgroup ? `if (local >= ${it.workgroup}u) { return; }` : "")
  return program({
    name: `${first.name} & ${second.name}`,
    buffers: { ...first.buffers, ...ofSecond(second.buffers, secondOnly) },
    words: {
      ...first.words,
      ...ofSecond(second.words, Object.keys(second.words)),
      before: "u32"
    },
    workgroup,
    body: `${renamed(first.body, new Map([["kernel", "kernelBefore"]]))}
${renamed(second.body, names).replace(/\bwords\.(\w+)/g, "words.$1_")}
fn kernel(group: u32, local: u32) {
  if (group < words.before) {
    ${guard(first)}
    kernelBefore(group, local);
  } else {
    ${guard(second)}
    kernel_(group - words.before, local);
  }
}`
  })
}

const hasBarriers = ({ body }: Program): boolean => body.includes("workgroupBarrier")

/** For what is not known here: bytes of workgroup memory that every WebGPU implementation grants. */
const UNKNOWN_BYTES = 16384
const BYTES: Readonly<Record<string, number>> = { f32: 4, u32: 4, vec2f: 8, vec4f: 16 }

const counted = new WeakMap<Program, number>()

/** Of the arrays that a body has in workgroup memory; of an element that is not known here, too many. */
const workgroupBytes = (program: Program): number => {
  const known = counted.get(program)
  if (known !== undefined) return known
  const bytes = [...program.body.matchAll(/var<workgroup>[^;]*array<(\w+),\s*(\d+)>/g)].reduce(
    (sum, [, element, count]) => sum + (BYTES[element!] ?? UNKNOWN_BYTES) * Number(count),
    0
  )
  counted.set(program, bytes)
  return bytes
}

const canMerge = (first: Program, second: Program, shared: Shared): boolean => {
  const buffers = Object.keys(first.buffers).length + Object.keys(second.buffers).length - Object.keys(shared).length
  const smaller = first.workgroup < second.workgroup ? first : second
  return buffers <= MOST_BUFFERS && (first.workgroup === second.workgroup || !hasBarriers(smaller))
}

const made = new WeakMap<Program, WeakMap<Program, Map<string, Program | null>>>()

/** The program of both; null where they cannot be one. */
const programOfBoth = (first: Program, second: Program, shared: Shared): Program | null => {
  const ofFirst = made.get(first) ?? new WeakMap<Program, Map<string, Program | null>>()
  made.set(first, ofFirst)
  const ofBoth = ofFirst.get(second) ?? new Map<string, Program | null>()
  ofFirst.set(second, ofBoth)
  let key = ""
  for (const name in shared) key += `${name}=${shared[name]},`
  const known = ofBoth.get(key)
  if (known !== undefined) return known
  const it = canMerge(first, second, shared) ? merged(first, second, shared) : null
  ofBoth.set(key, it)
  return it
}

const limits = new WeakMap<WebgpuEngine, number>()

/** Bytes of workgroup memory. Asking the device each time is slow. */
const mostBytesOf = (engine: WebgpuEngine): number => {
  const known = limits.get(engine)
  if (known !== undefined) return known
  const bytes = engine.limits.maxComputeWorkgroupStorageSize
  limits.set(engine, bytes)
  return bytes
}

const run = (engine: WebgpuEngine, { program, buffers, words, groups }: Dispatch): void =>
  engine.run(program, buffers, words, groups)

/** Runs one dispatch, or two that do not depend on each other: merged into one if possible. */
export const runDispatches = (engine: WebgpuEngine, dispatches: ReadonlyArray<Dispatch>): void => {
  const [first, second] = dispatches
  if (second === undefined) {
    run(engine, first!)
    return
  }
  const shared = sharedBy(first!, second)
  const bytes = workgroupBytes(first!.program) + workgroupBytes(second.program)
  const fits = bytes <= mostBytesOf(engine)
  const both = fits ? programOfBoth(first!.program, second.program, shared) : null
  if (both === null) {
    for (const dispatch of dispatches) run(engine, dispatch)
    return
  }
  const buffers: Record<string, TensorInfo | Span> = { ...first!.buffers }
  for (const name in second.buffers) if (shared[name] === undefined) buffers[marked(name)] = second.buffers[name]!
  const words: Record<string, number> = { ...first!.words, before: first!.groups }
  for (const name in second.words) words[marked(name)] = second.words[name]!
  engine.run(both, buffers, words, first!.groups + second.groups)
}
