/** Studies of several methods. */
import type { View } from "../../view.ts"

export const compareView: View = {
  name: "compare",
  title: "Compare",
  sign: "M6 20V10M12 20V4M18 20v-7",
  needs: "compare",
  load: async () => (await import("./Compare.tsx")).Compare
}
