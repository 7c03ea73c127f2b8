/**
 * Wrong input, each kind as a real process: exit 1, one message on stderr that says what, where, found, expected and what to do, no
 * stack, and not a file more or less in the working directory.
 */
import { describe, expect, test } from "bun:test"
import { listing, TIMEOUT, tinyPlan, type Workspace } from "./fixtures.ts"

export interface Refusal {
  readonly name: string
  /** prepares the files and says what to run */
  readonly args: () => ReadonlyArray<string>
  /** what the message must contain: what, where, found, expected, what to do */
  readonly says: ReadonlyArray<string>
  /** flags that do not parse print the command's help on stdout; everything else leaves it empty */
  readonly helps?: true
}

/** Ways to train the tiny plan with something wrong. */
export const trainings = (w: Workspace) => {
  const training = (sections: Record<string, unknown>, ...flags: ReadonlyArray<string>) => {
    w.write("plan.json", tinyPlan("bert", sections))
    return ["train", "plan.json", ...flags]
  }
  const data = (more: Record<string, unknown>) => ({ data: { ...tinyPlan("bert").data, ...more } })
  return {
    /** with some sections replaced */
    training,
    /** the data section with some fields replaced */
    data,
    /** on rows of a file of its own */
    trainingOn: (name: string, content: string) => {
      w.write(name, content)
      return training(data({ train: name }))
    }
  }
}

export const refuses = (kind: string, w: Workspace, cases: ReadonlyArray<Refusal>): void =>
  describe(`wrong ${kind}:`, () => {
    for (const { name, args, says, helps } of cases) {
      test(
        name,
        async () => {
          const command = args()
          const before = listing(w.directory)
          const { code, stdout, stderr } = await w.cli(command)
          const missing = says.filter((word) => !stderr.includes(word))
          expect({ code, missing, stderr }).toEqual({ code: 1, missing: [], stderr })
          expect(stderr).not.toMatch(/^\s+at /m)
          expect(stderr.match(/ERROR/g)).toHaveLength(1)
          if (helps !== true) expect(stdout).toBe("")
          expect(listing(w.directory)).toEqual(before)
        },
        TIMEOUT
      )
    }
  })
