/** An outline, as a path in a box of 24 × 24. */
export const Sign = ({ path }: { readonly path: string }) => (
  <svg viewBox="0 0 24 24" class="sign" aria-hidden="true">
    <path d={path} />
  </svg>
)
