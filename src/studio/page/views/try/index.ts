/** A trained run, asked: with its adapter beside without. */
import type { View } from "../../view.ts"

export const tryView: View = {
  name: "try",
  title: "Try",
  sign: "M5 5h14v10H9l-4 4z",
  load: async () => (await import("./Try.tsx")).Try
}
