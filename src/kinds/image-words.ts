/** What `validate` says of images. */
import type { ImagesSummary } from "../data/images/index.ts"

/** "1,200 (png 1,000, jpeg 200); 16×16 (smallest), 32×32 (median), 640×480 (largest)" */
export const imagesText = ({ images, formats, smallest, median, largest }: ImagesSummary): string => {
  const counted = formats.map((one) => `${one.format} ${one.images.toLocaleString("en")}`).join(", ")
  const [least, middle, most] = [smallest, median, largest].map(({ width, height }) => `${width}×${height}`)
  return `${images.toLocaleString("en")} (${counted}); ${least} (smallest), ${middle} (median), ${most} (largest)`
}
