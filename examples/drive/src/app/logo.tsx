/** The icon of the app, as in `public/icon.svg`. */
export function Logo({ size }: { size: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 512 512" aria-hidden="true">
      <rect width="512" height="512" rx="112" fill="#0a6a6b" />
      <path
        d="M128 168a28 28 0 0 1 28-28h72a28 28 0 0 1 20 8l28 28h88a28 28 0 0 1 28 28v24H128z"
        fill="#fff"
        fillOpacity=".55"
      />
      <path d="M128 214h256v126a32 32 0 0 1-32 32H160a32 32 0 0 1-32-32z" fill="#fff" />
      <circle cx="208" cy="293" r="22" fill="#0a6a6b" />
      <circle cx="304" cy="293" r="22" fill="#0a6a6b" />
      <path d="M208 293h96" stroke="#0a6a6b" strokeWidth="14" />
    </svg>
  )
}
