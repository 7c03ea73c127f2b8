/**
 * Builds the documentation site into `dist-docs/`, static files for any server:
 *
 *   bun run docs                        for the root of a host
 *   bun run docs --base /tfjs-lora-pro/ under a path of it
 *
 * The pages are those of the repository: README, docs/ and all that they lead to. They are copied to docs/site/staged with their paths,
 * so that links between them stay as they are; a source file that a page names becomes a page that shows it, and the file of an entry
 * of the package becomes its reference (docs/site/api.ts). The sidebar is what docs/README.md has in its tables. The tools are in a
 * package of their own (docs/site), which is installed when this is first called.
 */
import { spawnSync } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, dirname, extname, join } from "node:path"
import { parseArgs } from "node:util"
import { isFolder, pageOf, placeOf, reachable, repository, textOf, wayTo, withLinks } from "./pages.ts"

const site = join(repository, "docs", "site")
const staged = join(site, "staged")

interface Api {
  readonly entries: ReadonlyArray<{ readonly name: string; readonly file: string }>
}

/** Where the site has a page of the repository: a folder's README is its index. */
const stagedPage = (page: string): string => page.replace(/(^|\/)README\.md$/, "$1index.md")

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(staged, path)), { recursive: true })
  writeFileSync(join(staged, path), text)
}

/** A picture, as it is. */
const copy = (path: string): void => {
  mkdirSync(dirname(join(staged, path)), { recursive: true })
  copyFileSync(join(repository, path), join(staged, path))
}

/** An entry with namespaces is a folder of pages, any other a page. */
const referencePage = (entry: string): string => {
  const page = `api/${entry}.md`
  return existsSync(join(staged, page)) ? page : `api/${entry}/index.md`
}

const run = (command: ReadonlyArray<string>): void => {
  const [program, ...args] = command
  const { status } = spawnSync(program!, args, { cwd: site, stdio: "inherit" })
  if (status !== 0) process.exit(status ?? 1)
}

const languages: Readonly<Record<string, string>> = {}

/** A source file as a page: not searched, since it is not what a reader looks for. */
const sourcePage = (file: string): string => {
  const text = textOf(file)
  const fence = "`".repeat(Math.max(3, ...[...text.matchAll(/`{3,}/g)].map(([ticks]) => ticks.length + 1)))
  return `---\nsearch: false\noutline: false\n---\n\n# ${basename(file)}\n\n\`${file}\`\n\n${fence}${languages[extname(file)] ?? "text"}\n${text}${fence}\n`
}

/** A folder as a page: what is in it, without what no one reads as text. */
const folderPage = (folder: string): string => {
  const files = readdirSync(join(repository, folder), { withFileTypes: true })
    .map((one) => (one.isDirectory() ? `${one.name}/` : one.name))
    .filter((name) => !name.startsWith(".") && name !== "node_modules/")
    .sort()
  return `---\nsearch: false\n---\n\n# ${basename(folder)}\n\n\`${folder}/\` of the repository:\n\n${files.map((name) => `- \`${name}\``).join("\n")}\n`
}

/** The pages of `staged/`, with what they lead to. */
const stagePages = (pages: ReadonlySet<string>, { entries }: Api): void => {
  const reference = new Map(entries.map(({ name, file }) => [file, referencePage(name)]))
  const shown = new Map<string, string>()
  /** The page of the site that shows a path of the repository. */
  const pageFor = (path: string): string => {
    const page = pageOf(path)
    if (page !== undefined && pages.has(page)) return stagedPage(page)
    const entry = reference.get(path)
    if (entry !== undefined) return entry
    const at = isFolder(path) ? `${path}/index.md` : `${path}.md`
    if (!shown.has(at)) shown.set(at, isFolder(path) ? folderPage(path) : sourcePage(path))
    return at
  }
  for (const page of pages) {
    const at = stagedPage(page)
    const text = withLinks(textOf(page), (target) => {
      const place = placeOf(page, target)
      if (place !== undefined && extname(place.path) === ".png") {
        copy(place.path)
        return wayTo(at, place.path)
      }
      return place === undefined ? target : `${wayTo(at, pageFor(place.path))}${place.anchor}`
    })
    write(at, text)
  }
  for (const [at, text] of shown) write(at, text)
}

interface Item {
  readonly text: string
  readonly link?: string
  readonly collapsed?: boolean
  readonly items?: ReadonlyArray<Item>
}

const titleOf = (page: string): string => (/^# (.*)$/m.exec(textOf(page))?.[1] ?? page).replaceAll("`", "")

const addressOf = (page: string): string => `/${stagedPage(page).replace(/(index)?\.md$/, "")}`

/** docs/README.md's tables: a group for each heading, an item for each page that its table names. */
const sidebar = ({ entries }: Api): ReadonlyArray<Item> => {
  const index = "docs/README.md"
  const [, ...chapters] = textOf(index).split(/^## /m)
  const groups = chapters.map((chapter) => {
    const items: Array<Item> = []
    withLinks(chapter, (target) => {
      const page = pageOf(placeOf(index, target)?.path ?? "")
      if (page !== undefined) items.push({ text: titleOf(page), link: addressOf(page) })
      return target
    })
    return { text: chapter.slice(0, chapter.indexOf("\n")).trim(), collapsed: false, items }
  })
  const reference = entries.map(({ name }) => ({ text: name, link: addressOf(referencePage(name)) }))
  return [
    { text: "Overview", link: "/" },
    ...groups,
    { text: "API reference", collapsed: true, items: reference },
    { text: "Changelog", link: "/CHANGELOG" }
  ]
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { base: { type: "string", default: "/" }, out: { type: "string", default: join(repository, "dist-docs") } }
  })
  if (!/^\/(.*\/)?$/.test(values.base)) {
    console.error(
      `--base: found "${values.base}"; expected a path that begins and ends with a slash, such as /tfjs-lora-pro/`
    )
    process.exit(1)
  }
  run([process.execPath, "install", "--frozen-lockfile", "--silent"])
  rmSync(staged, { recursive: true, force: true })
  run([process.execPath, "api.ts", join(staged, "api")])
  const api: Api = JSON.parse(readFileSync(join(staged, "api", "api.json"), "utf8"))
  const docs = [...new Bun.Glob("docs/*.md").scanSync(repository)]
  stagePages(reachable(["README.md", "CHANGELOG.md", ...docs]), api)
  write("sidebar.json", JSON.stringify(sidebar(api)))
  run([
    process.execPath,
    "--bun",
    "node_modules/vitepress/bin/vitepress.js",
    "build",
    ".",
    "--base",
    values.base,
    "--outDir",
    values.out
  ])
}
