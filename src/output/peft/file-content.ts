/**
 * Between what is stored of an adapter and what its files hold, where a format says they differ (AdaLoRA: triplets
 * without a λ).
 */
import type { PeftLayout, SitePart, SiteTensors } from "../../../adapters/index.ts"
import type { HostTensor } from "../../safetensors/index.ts"
import { exportedName } from "./exported-name.ts"
import { type StoredAdapted, siteTensorsIn } from "./layout.ts"

/** Tensors by their names in a file. */
type Content = Readonly<Record<string, HostTensor>>

type Files = NonNullable<PeftLayout<unknown>["files"]>
type Change = (files: Files, part: SitePart<unknown>, own: SiteTensors<HostTensor>) => SiteTensors<HostTensor>

/** The tensors of each site changed, all others as they are. */
const changed = (adapted: StoredAdapted, content: Content, change: Change): Content => {
  const files = adapted.method.peft.layout?.files
  if (files === undefined) return content
  const sites = adapted.parts(adapted.trainable).flatMap((part) => {
    const own = siteTensorsIn(adapted, part.site.name, content)
    if (Object.keys(own).length === 0) return [] // another file, or a site that is missing
    const module = `base_model.model.${exportedName(adapted.model, part.site.name)}`
    return Object.entries(change(files, part, own)).map(([name, tensor]) => [`${module}.${name}`, tensor] as const)
  })
  return { ...content, ...Object.fromEntries(sites) }
}

/** What adapter_model.safetensors holds, from what is stored. */
export const writtenContent = (adapted: StoredAdapted, stored: Content): Content =>
  changed(adapted, stored, ({ written }, _, own) => written(own))

/** What is stored, from what adapter_model.safetensors holds. */
export const storedContent = (adapted: StoredAdapted, found: Content): Content =>
  changed(adapted, found, ({ read }, part, own) => read(part, own))
