// What this browser is, as far as a guest has to know: pure functions of what it says of itself.

// Browsers inside other apps. They forget what they keep when the app is closed, or share it with
// nobody: a link that was taken there is soon lost.
const APPS = [
  [/FBAN|FBAV|FB_IAB/, 'Facebook'], [/Instagram/, 'Instagram'], [/\bLine\//i, 'LINE'],
  [/MicroMessenger/i, 'WeChat'], [/Snapchat/i, 'Snapchat'], [/musical_ly|BytedanceWebview|TikTok/i, 'TikTok'],
  [/Twitter/i, 'X'], [/LinkedInApp/i, 'LinkedIn'], [/Pinterest\//i, 'Pinterest'], [/Discord/i, 'Discord'],
  [/Telegram/i, 'Telegram'], [/WhatsApp/i, 'WhatsApp'], [/GSA\//, 'the Google app'],
];

// The app that this page is shown in, '' for one that says no name, or null in a browser.
export function insideApp(agent) {
  for (const [sign, name] of APPS) if (sign.test(agent)) return name;
  // Android's own sign of a web view; on iOS every browser says Safari, and web views do not.
  if (/Android.*; wv\)/.test(agent)) return '';
  if (/(iPhone|iPad|iPod).*AppleWebKit/.test(agent) && !/Safari\//.test(agent)) return '';
  return null;
}

// Where "open in the browser" leads to, or null where nothing can be opened from here and the link
// has to be copied.
export function elsewhere(agent, link) {
  return /iPhone|iPad|iPod/.test(agent) && link.startsWith('https://') ? `x-safari-${link}` : null;
}

// What the person who shares sees: a browser and what it runs on.
export function browserName(agent) {
  const browser = [
    [/Edg(A|iOS)?\//, 'Edge'], [/OPR\/|Opera/, 'Opera'], [/SamsungBrowser\//, 'Samsung Internet'],
    [/Firefox\/|FxiOS\//, 'Firefox'], [/Chrome\/|CriOS\/|Chromium\//, 'Chrome'], [/Safari\//, 'Safari'],
  ].find(([sign]) => sign.test(agent))?.[1] ?? 'A browser';
  const system = [
    [/iPhone/, 'iPhone'], [/iPad/, 'iPad'], [/Android/, 'Android'], [/Windows/, 'Windows'],
    [/CrOS/, 'ChromeOS'], [/Mac OS X/, 'Mac'], [/Linux|X11/, 'Linux'],
  ].find(([sign]) => sign.test(agent))?.[1];
  return system ? `${browser} on ${system}` : browser;
}
