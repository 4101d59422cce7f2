// A browser that cannot be a relay, on a phone that may have one that can. Pure functions.

// iPads call themselves a Mac, which has no touch screen.
export const isApple = (agent, touches = 0) => /iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && touches > 1);

// The address that opens `link` in Chrome on Android; null elsewhere, or for what is no web address.
// Android takes what stands before the last # as the address, with its own fragment.
export function inChrome(link, agent) {
  const [, scheme, rest] = /^(https?):\/\/(.+)$/s.exec(link) ?? [];
  if (!scheme || !/Android/.test(agent)) return null;
  return `intent://${rest}#Intent;scheme=${scheme};package=com.android.chrome;end`;
}
