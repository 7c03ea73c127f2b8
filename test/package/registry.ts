/** A registry that has the packed package, as if it were published, and asks the real one for everything else. */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

const upstream = "https://registry.npmjs.org"

export interface Registry {
  /** for the package managers of all three runtimes */
  readonly env: Readonly<Record<string, string>>
  readonly close: () => void
}

interface Manifest {
  readonly name: string
  readonly version: string
}

/** The package.json of a packed file. */
const manifestOf = (tarball: string): Manifest =>
  JSON.parse(execFileSync("tar", ["-xzOf", tarball, "package/package.json"], { encoding: "utf8" }))

/** `tarball`: the packed file. */
export const startRegistry = async (tarball: string): Promise<Registry> => {
  const manifest = manifestOf(tarball)
  const { name, version } = manifest
  const packed = readFileSync(tarball)
  const integrity = `sha512-${createHash("sha512").update(packed).digest("base64")}`
  const file = `/${name}/-/${name}-${version}.tgz`
  const passOn = async (path: string, accept: string, response: ServerResponse) => {
    const answer = await fetch(`${upstream}${path}`, { headers: { accept } })
    const type = answer.headers.get("content-type") ?? "application/octet-stream"
    response.writeHead(answer.status, { "content-type": type }).end(new Uint8Array(await answer.arrayBuffer()))
  }
  const server = createServer((request, response) => {
    const path = request.url!
    if (path === file) response.writeHead(200, { "content-type": "application/octet-stream" }).end(packed)
    else if (path === `/${name}`) {
      const dist = { tarball: `${url}${file}`, integrity, shasum: createHash("sha1").update(packed).digest("hex") }
      const body = { name, "dist-tags": { latest: version }, versions: { [version]: { ...manifest, dist } } }
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body))
    } else
      passOn(path, request.headers.accept ?? "*/*", response).catch((error) => response.writeHead(502).end(`${error}`))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    env: { npm_config_registry: url, NPM_CONFIG_REGISTRY: url, BUN_CONFIG_REGISTRY: url },
    close: () => server.close()
  }
}
