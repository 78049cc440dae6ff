// Line icons on a 20 x 20 grid, drawn for this dashboard. Decorative: the text beside them says the same.

import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" width="20" height="20" fill="none" stroke="currentColor" stroke-width="1.6"
      stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const Logo = () => (
  <svg class="logo" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false">
    <rect class="logo-ground" width="32" height="32" rx="7" />
    <path d="M7 15.2 16 7l9 8.2V25H7z" fill="none" stroke="#fff" stroke-width="2.2" stroke-linejoin="round" />
    <path d="M16 13.5 12 20.5h8z" fill="none" stroke="#8fd6c4" stroke-width="1.4" />
    <circle cx="16" cy="13.5" r="2" fill="#fff" />
    <circle cx="12" cy="20.5" r="2" fill="#fff" />
    <circle cx="20" cy="20.5" r="2" fill="#fff" />
  </svg>
);
export const IconOverview = () => <Icon><path d="M3 9.2 10 3l7 6.2V17H3z" /><path d="M8 17v-5h4v5" /></Icon>;
export const IconNodes = () => <Icon><rect x="3" y="3.5" width="14" height="5.5" rx="1.5" /><rect x="3" y="11" width="14" height="5.5" rx="1.5" /><path d="M6 6.2h.01M6 13.8h.01" /></Icon>;
export const IconJobs = () => <Icon><path d="M3 5h2M3 10h2M3 15h2M8.5 5H17M8.5 10H17M8.5 15H14" /></Icon>;
export const IconMarket = () => <Icon><path d="M4 8.5V17h12V8.5M3 5l1.5-2h11L17 5v1.5a2.3 2.3 0 0 1-4.7 0 2.3 2.3 0 0 1-4.6 0 2.3 2.3 0 0 1-4.7 0z" /></Icon>;
export const IconTrust = () => <Icon><path d="M10 3 16 5v5c0 3.6-2.5 6-6 7.2-3.5-1.2-6-3.6-6-7.2V5z" /><path d="m7.3 10 2 2 3.5-4" /></Icon>;
export const IconSearch = () => <Icon><circle cx="9" cy="9" r="5" /><path d="m13 13 4 4" /></Icon>;
export const IconTheme = () => <Icon><circle cx="10" cy="10" r="7" /><path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" stroke="none" /></Icon>;
export const IconDownload = () => <Icon><path d="M10 3v9m0 0 3.5-3.5M10 12 6.5 8.5M4 16.5h12" /></Icon>;
export const IconCopy = () => <Icon><rect x="7" y="7" width="9.5" height="9.5" rx="1.8" /><path d="M13 4.5A1.5 1.5 0 0 0 11.5 3H5a2 2 0 0 0-2 2v6.5A1.5 1.5 0 0 0 4.5 13" /></Icon>;
export const IconCheck = () => <Icon><path d="m4.5 10.5 3.5 3.5 7.5-8" /></Icon>;
export const IconStop = () => <Icon><circle cx="10" cy="10" r="7" /><path d="M7.5 7.5h5v5h-5z" /></Icon>;
export const IconAlert = () => <Icon><path d="M10 3.5 17.5 16.5h-15z" /><path d="M10 8.5v3.5M10 14.3h.01" /></Icon>;
export const IconBack = () => <Icon><path d="M12 4.5 6.5 10l5.5 5.5" /></Icon>;
export const IconSleep = () => <Icon><path d="M7.5 5.5v9M12.5 5.5v9" /></Icon>;
