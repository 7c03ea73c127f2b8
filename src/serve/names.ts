/** The names under which runs are served. */
import type { Named } from "./served.ts"

/** "runs/movies-1" is "movies-1"; "movies=runs/movies-1" is "movies". */
export const nameOfRun = (given: string): Named => {
  const [, name, run] = /^([\w.:@-]+)=(.+)$/s.exec(given) ?? []
  if (name !== undefined && run !== undefined) return { name, run }
  const last = given
    .replace(/[/\\]+$/, "")
    .split(/[/\\]/)
    .at(-1)!
  return { name: last.replaceAll(/[^\w.:@-]/g, "-"), run: given }
}
