/** A tiny run whose labels and texts are what an attacker or a bad crawl would put there. */
import { jsonLines, tinyRows, type Workspace } from "../../e2e/fixtures.ts"

export const hostileLabels = [
  `"><svg onload="alert(1)">`,
  `</script><script>alert(1)</script>`,
  `<!--\n\tlicense: mit | \`x\` & 'y' \u2028\u0007`
] as const

export const hostileText = `</script><img src="https://example.org/x.png" onerror=alert(1)> "quoted" & 'plain' {{x}} \${x}`

/** Replaces the workspace's rows by ones with hostile labels, and a hostile text before each. */
export const writeHostileRows = (w: Workspace): void => {
  const hostile = (count: number, offset: number) =>
    tinyRows(count, offset).map(({ text }, i) => ({
      text: `${hostileText} ${text}`,
      label: hostileLabels[(i + offset) % 3]!
    }))
  w.write("train.jsonl", jsonLines(hostile(24, 0)))
  w.write("validation.jsonl", jsonLines(hostile(6, 24)))
  w.write("test.jsonl", jsonLines(hostile(9, 30)))
}
